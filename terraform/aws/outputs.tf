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
    make load:      loadclient http --url http://${aws_lb.web.dns_name}/ --threads 8 --duration 15m --keep-alive=false --allow-any-target
    watch it scale: while aws autoscaling describe-scaling-activities --auto-scaling-group-name ${aws_autoscaling_group.web.name} --query 'Activities[].[StartTime,StatusCode,Description]' --output table; do sleep 15; done
    the alarms:     aws cloudwatch describe-alarms --alarm-name-prefix TargetTracking-${aws_autoscaling_group.web.name} --query 'MetricAlarms[].[AlarmName,StateValue,ComparisonOperator,Threshold,EvaluationPeriods]' --output table
    STOP THE BILL:  terraform destroy
  EOT
}
