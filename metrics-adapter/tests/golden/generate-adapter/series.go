package main

import "strings"

// A recorded set of series, as kube-prometheus' exporters have them, and some corners.

// kinds are what the cluster serves, in kube-apiserver's order: group, version, plural, singular,
// kind, namespaced.
var kinds = [][]any{
	{"", "v1", "bindings", "binding", "Binding", true},
	{"", "v1", "configmaps", "configmap", "ConfigMap", true},
	{"", "v1", "endpoints", "endpoints", "Endpoints", true},
	{"", "v1", "events", "event", "Event", true},
	{"", "v1", "namespaces", "namespace", "Namespace", false},
	{"", "v1", "nodes", "node", "Node", false},
	{"", "v1", "persistentvolumeclaims", "persistentvolumeclaim", "PersistentVolumeClaim", true},
	{"", "v1", "persistentvolumes", "persistentvolume", "PersistentVolume", false},
	{"", "v1", "pods", "pod", "Pod", true},
	{"", "v1", "replicationcontrollers", "replicationcontroller", "ReplicationController", true},
	{"", "v1", "resourcequotas", "resourcequota", "ResourceQuota", true},
	{"", "v1", "secrets", "secret", "Secret", true},
	{"", "v1", "serviceaccounts", "serviceaccount", "ServiceAccount", true},
	{"", "v1", "services", "service", "Service", true},
	{"apps", "v1", "daemonsets", "daemonset", "DaemonSet", true},
	{"apps", "v1", "deployments", "deployment", "Deployment", true},
	{"apps", "v1", "replicasets", "replicaset", "ReplicaSet", true},
	{"apps", "v1", "statefulsets", "statefulset", "StatefulSet", true},
	{"events.k8s.io", "v1", "events", "event", "Event", true},
	{"autoscaling", "v2", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", true},
	{"autoscaling", "v1", "horizontalpodautoscalers", "horizontalpodautoscaler", "HorizontalPodAutoscaler", true},
	{"batch", "v1", "cronjobs", "cronjob", "CronJob", true},
	{"batch", "v1", "jobs", "job", "Job", true},
	{"networking.k8s.io", "v1", "ingresses", "ingress", "Ingress", true},
	{"networking.k8s.io", "v1", "networkpolicies", "networkpolicy", "NetworkPolicy", true},
	{"storage.k8s.io", "v1", "storageclasses", "storageclass", "StorageClass", false},
	{"cheese.io", "v1alpha1", "brands", "brand", "Brand", true},
	{"cheese.io", "v1alpha1", "dairies", "dairy", "Dairy", false},
	{"metrics.k8s.io", "v1beta1", "nodes", "node", "NodeMetrics", false},
	{"metrics.k8s.io", "v1beta1", "pods", "pod", "PodMetrics", true},
}

// lookups are group and resource as overrides and paths may have them.
var lookups = [][2]string{
	{"", "pods"}, {"", "pod"}, {"", "PODS"}, {"", "Pod"}, {"", "po"}, {"core", "pods"}, {"v1", "pods"}, {"", "deployment"}, {"", "deployments"}, {"apps", "deployments"}, {"a", "deployment"}, {"app", "deployments"}, {"APPS", "deployments"}, {"apps/v1", "deployments"}, {"v1.apps", "deployments"}, {"extensions", "deployments"}, {"networking", "ingress"}, {"networking.k8s.io", "ingresses"}, {"networking.k8s", "Ingress"}, {"", "ingresses"}, {"k8s.io", "ingresses"}, {"", "events"}, {"events.k8s.io", "event"}, {"ev", "event"}, {"metrics", "pods"}, {"metrics.k8s.io", "pod"}, {"", "nodes"}, {"autoscaling", "horizontalpodautoscaler"}, {"", "hpa"}, {"cheese.io", "brands"}, {"cheese", "dairy"}, {"", "dairies"}, {"", "endpoints"}, {"", "endpoint"}, {"", "teapots"}, {"", ""}, {"apps", ""}, {"", "pods/status"},
}

func labels(text string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Fields(text) {
		key, value, _ := strings.Cut(pair, "=")
		out[key] = value
	}
	return out
}

// recorded lists the series in a fixed order.
func recorded() []map[string]string {
	var out []map[string]string
	add := func(names, text string) {
		for _, name := range strings.Fields(names) {
			series := labels(text)
			series["__name__"] = name
			out = append(out, series)
		}
	}
	kubelet := " endpoint=https-metrics instance=10.0.0.1:10250 job=kubelet metrics_path=/metrics/cadvisor node=n1 service=kubelet"
	for _, pod := range []string{"web-0", "web-1", "db-0"} {
		add("container_cpu_usage_seconds_total container_cpu_cfs_throttled_seconds_total container_cpu_cfs_periods_total container_cpu_system_seconds_total container_memory_working_set_bytes container_memory_usage_bytes container_memory_rss container_memory_cache container_memory_failures_total container_spec_memory_limit_bytes container_spec_cpu_quota container_fs_reads_total container_fs_writes_bytes_total container_fs_usage_bytes container_processes container_threads container_file_descriptors container_start_time_seconds container_last_seen container_oom_events_total",
			"container=app id=/kubepods/x image=registry/app name=abc namespace=shop pod="+pod+kubelet)
	}
	add("container_network_receive_bytes_total container_network_transmit_bytes_total container_network_receive_errors_total container_memory_rss", "container=POD id=/kubepods/y image=pause interface=eth0 name=def namespace=shop pod=web-0"+kubelet)
	add("container_cpu_usage_seconds_total container_memory_working_set_bytes container_scrape_error", "id=/"+kubelet)
	add("container_network_receive_bytes_total", "id=/kubepods/z interface=eth0 namespace=shop pod=web-0"+kubelet)
	for _, code := range []string{"200", "500"} {
		add("http_requests_total http_request_duration_seconds_count http_request_duration_seconds_sum", "code="+code+" instance=10.1.0.1:8080 job=web method=GET namespace=shop pod=web-0 service=web container=app endpoint=http")
		add("http_request_duration_seconds_bucket", "code="+code+" le=0.5 instance=10.1.0.1:8080 job=web namespace=shop pod=web-0 service=web container=app endpoint=http")
	}
	add("http_requests_total", "instance=10.1.0.9:80 job=kubernetes-pods kubernetes_namespace=production kubernetes_pod_name=frontend-0 method=GET")
	add("http_requests_total", "instance=outside:80 job=edge")
	add("http_requests_in_flight http_busy_seconds_total jobs_done_seconds_total_count", "instance=10.1.0.1:8080 job=web namespace=shop pod=web-0 service=web")
	add("ingress_requests_total nginx_ingress_controller_requests", "ingress=web namespace=shop service=web controller_pod=ng-0 status=200")
	add("istio_requests_total istio_request_duration_milliseconds_sum", "destination_workload=web namespace=shop pod=web-0 reporter=destination deployment=web")
	exporter := "container=node-exporter endpoint=https instance=n1 job=node-exporter namespace=monitoring pod=node-exporter-x service=node-exporter"
	add("node_memory_MemTotal_bytes node_memory_MemAvailable_bytes node_memory_Cached_bytes node_load1 node_load5 node_filefd_allocated node_context_switches_total node_intr_total node_boot_time_seconds node_time_seconds node_vmstat_pgfault node_procs_running node_forks_total", exporter)
	for _, mode := range []string{"idle", "user", "system"} {
		add("node_cpu_seconds_total", exporter+" cpu=0 mode="+mode)
	}
	add("node_network_receive_bytes_total node_network_transmit_bytes_total node_disk_io_time_seconds_total node_disk_reads_completed_total", exporter+" device=eth0")
	add("node_filesystem_avail_bytes node_filesystem_size_bytes", exporter+" device=/dev/sda1 fstype=ext4 mountpoint=/")
	state := " instance=10.2.0.1:8443 job=kube-state-metrics"
	add("kube_pod_info kube_pod_start_time kube_pod_status_ready kube_pod_owner", "namespace=shop pod=web-0 node=n1 host_ip=10.0.0.1 uid=u"+state)
	add("kube_pod_container_status_restarts_total kube_pod_container_resource_limits kube_pod_container_resource_requests", "namespace=shop pod=web-0 container=app uid=u"+state)
	add("kube_deployment_status_replicas kube_deployment_spec_replicas kube_deployment_status_replicas_available kube_deployment_created", "namespace=shop deployment=web"+state)
	add("kube_statefulset_replicas kube_statefulset_status_replicas_ready", "namespace=shop statefulset=db"+state)
	add("kube_replicaset_spec_replicas", "namespace=shop replicaset=web-1a"+state)
	add("kube_daemonset_status_number_ready", "namespace=kube-system daemonset=proxy"+state)
	add("kube_job_status_failed kube_job_complete", "namespace=shop job_name=backup"+state)
	add("kube_cronjob_next_schedule_time", "namespace=shop cronjob=backup"+state)
	add("kube_horizontalpodautoscaler_spec_max_replicas kube_horizontalpodautoscaler_status_current_replicas", "namespace=shop horizontalpodautoscaler=web"+state)
	add("kube_service_info kube_service_created", "namespace=shop service=web cluster_ip=10.3.0.1 uid=u"+state)
	add("kube_endpoint_address_available", "namespace=shop endpoint=web"+state)
	add("kube_ingress_info", "namespace=shop ingress=web ingressclass=nginx"+state)
	add("kube_configmap_info", "namespace=shop configmap=settings"+state)
	add("kube_secret_info", "namespace=shop secret=key"+state)
	add("kube_persistentvolumeclaim_info kube_persistentvolumeclaim_resource_requests_storage_bytes", "namespace=shop persistentvolumeclaim=data-db-0 storageclass=fast volumename=pv1"+state)
	add("kube_persistentvolume_status_phase kube_persistentvolume_capacity_bytes", "persistentvolume=pv1 phase=Bound"+state)
	add("kube_namespace_status_phase kube_namespace_created", "namespace=shop phase=Active"+state)
	add("kube_node_info kube_node_status_capacity kube_node_spec_unschedulable", "node=n1 kernel_version=6.1"+state)
	add("kube_storageclass_info", "storageclass=fast"+state)
	add("kube_resourcequota", "namespace=shop resourcequota=small resource=pods type=hard"+state)
	add("kubelet_volume_stats_used_bytes kubelet_volume_stats_capacity_bytes", "namespace=shop persistentvolumeclaim=data-db-0 node=n1 instance=n1 job=kubelet")
	add("kubelet_running_pods kubelet_node_name", "node=n1 instance=n1 job=kubelet namespace=kube-system endpoint=https-metrics service=kubelet")
	add("up scrape_duration_seconds scrape_samples_scraped go_goroutines go_memstats_alloc_bytes go_gc_duration_seconds_sum process_cpu_seconds_total process_resident_memory_bytes process_open_fds promhttp_metric_handler_requests_total", "namespace=shop pod=web-0 service=web job=web instance=10.1.0.1:8080 container=app endpoint=http")
	add("up scrape_duration_seconds", "job=edge instance=outside:80")
	add("apiserver_request_total apiserver_request_duration_seconds_sum apiserver_current_inflight_requests etcd_request_duration_seconds_sum", "namespace=default service=kubernetes job=apiserver endpoint=https instance=10.0.0.1:6443 verb=LIST resource=pods group=apps version=v1")
	add("coredns_dns_requests_total coredns_cache_entries", "namespace=kube-system pod=coredns-0 service=kube-dns job=coredns instance=10.1.0.5:9153 zone=.")
	add("node_namespace_pod:kube_pod_info: namespace_workload_pod:kube_pod_owner:relabel", "namespace=shop pod=web-0 node=n1 workload=web workload_type=deployment")
	add("pod:http_requests:rate5m", "namespace=shop pod=web-0")
	add("kafka_consumergroup_lag", "consumergroup=c namespace=shop pod=exporter-0 topic=orders partition=0")
	add("queue_consumer_lag", "name=orders namespace=shop job=mq")
	add("queue_consumer_lag", "job=mq")
	add("queue_depth", "topic=orders job=mq")
	add("cheddar", "brand=hillside sharp=true")
	add("cheddar", "brand=valley sharp=false")
	add("metric_only_namespace_total", "namespace=shop")
	add("_total _seconds_total total", "namespace=shop pod=web-0")
	// Corners, for configs/corners.yaml.
	add("corner_groups", "ns=shop dep=web rs=web-1 ing=web brand=x job=y")
	add("corner_template", "res_apps_deployment=web res__pod=web-0 res_networking_ingress=web res_networking_k8s_io_ingress=web res_cheese_dairy=d ns=shop")
	add("corner_template", "res_x_teapot=1 ns=shop")
	add("corner_twice", "pod_of_pod=a x_of_pod=b pod_of_x=c namespace_of_namespace=shop")
	add("corner_both", "kube_pod=a kube_node=n kube_namespace=shop instance=n1 kube_teapot=t")
	add("corner_root_all", "namespace=a node=b persistentvolume=c")
	add("corner_root_job", "namespace=a node=b persistentvolume=c job=x")
	add("corner_root_node corner_templated_node", "node=n1")
	add("corner_root_pv corner_templated_pv", "persistentvolume=pv1 phase=Bound")
	add("corner_root_class corner_templated_class", "storageclass=fast")
	add("corner_root_class_ns corner_templated_class_ns", "storageclass=fast namespace=shop")
	add("corner_root_dairy corner_templated_dairy", "dairy=hill")
	add("corner_root_nothing corner_templated_nothing", "")
	add("corner_templated_unknown", "namespace=shop teapot=a")
	add("corner_templated_many", "namespace=shop pod=a deployment=b job=c service=d event=e Pod=f pods=g")
	add("corner_namespaced", "namespace=shop pod=web-0")
	add("corner_nothing", "namespace=shop pod=web-0")
	add("corner_name_a_total corner_name_b_sum corner_name_c_bucket corner_name_d_total_bucket xcorner_name_e_sum corner_name__total", "namespace=shop pod=web-0")
	add("corner_first corner_second", "namespace=shop pod=web-0")
	return out
}
