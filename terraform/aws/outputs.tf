output "url" {
  description = "The application, through the load balancer."
  value       = "http://${aws_lb.web.dns_name}/"
}

output "autoscaling_group" {
  description = "Name of the Auto Scaling group."
  value       = aws_autoscaling_group.web.name
}

output "next" {
  description = "What to do now, and what to do before going home."
  value       = <<-EOT
    one request:    curl http://${aws_lb.web.dns_name}/
    make load:      loadclient http --url http://${aws_lb.web.dns_name}/ --threads 4 --duration 10m --allow-any-target
    watch it scale: watch -n 15 "aws autoscaling describe-scaling-activities --auto-scaling-group-name ${aws_autoscaling_group.web.name} --query 'Activities[].[StartTime,StatusCode,Description]' --output table"
    the alarms:     aws cloudwatch describe-alarms --alarm-name-prefix TargetTracking-${aws_autoscaling_group.web.name} --query 'MetricAlarms[].[AlarmName,StateValue,ComparisonOperator,Threshold,EvaluationPeriods]' --output table
    STOP THE BILL:  terraform destroy
  EOT
}
