public import PrometheusText

/// Every metric that the agent has. Names that kube-proxy has mean what they mean there.
public enum MetricCatalog {
    /// From a millisecond to 16 seconds, each twice the last: kube-proxy's.
    static let longDurations = (0..<15).map { 0.001 * Double(1 << $0) }
    /// From 10 microseconds to 20 seconds.
    static let durations = (0..<22).map { 0.000_01 * Double(1 << $0) }

    public static let all: [MetricDescription] =
        synchronization + changes + sources + kernel + services + health + process

    private static let synchronization = [
        MetricDescription(
            "kubeproxy_sync_proxy_rules_duration_seconds", .histogram, "How long bringing the kernel up to date took.",
            buckets: longDurations),
        MetricDescription(
            "kubeproxy_sync_full_proxy_rules_duration_seconds", .histogram,
            "The same where everything was compared.", buckets: longDurations),
        MetricDescription(
            "kubeproxy_sync_partial_proxy_rules_duration_seconds", .histogram,
            "The same where only what changed was looked at.", buckets: longDurations),
        MetricDescription(
            "svcctl_phase_duration_seconds", .histogram, "How long each part of it took.", buckets: durations),
        MetricDescription(
            "svcctl_change_to_kernel_seconds", .histogram,
            "From the moment when a change was found, or somebody else's was heard of, until the kernel was right.",
            buckets: durations),
        MetricDescription(
            "kubeproxy_sync_proxy_rules_last_timestamp_seconds", .gauge, "When the kernel was last brought up to date."),
        MetricDescription(
            "kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", .gauge,
            "When something to do was last found."),
        MetricDescription(
            "svcctl_seconds_since_last_success", .gauge,
            "Seconds since the kernel was last known to be right; it grows while nothing happens."),
        MetricDescription(
            "svcctl_change_pending_seconds", .gauge, "How long a change waits to be carried out; 0 if none waits."),
        MetricDescription(
            "svcctl_configuration_pending", .gauge,
            "1 while the configuration that was read last waits: for its sources, because services would be lost, or "
                + "because it cannot be taken."),
        MetricDescription(
            "kubeproxy_sync_proxy_rules_nftables_sync_failures_total", .counter, "How often the kernel refused."),
        MetricDescription("svcctl_ready", .gauge, "1 since the first full state stands in the kernel."),
    ]

    private static let changes = [
        MetricDescription(
            "kubeproxy_sync_proxy_rules_service_changes_total", .counter, "Services that came, changed or went."),
        MetricDescription(
            "svcctl_objects_changed_total", .counter, "Kernel objects that were added, changed, removed."),
        MetricDescription("svcctl_udp_flows_ended_total", .counter, "UDP flows ended because their endpoint was gone."),
    ]

    private static let sources = [
        MetricDescription(
            "svcctl_source_state", .gauge, "1 for the state that a source is in: loading, current or stale."),
        MetricDescription(
            "svcctl_source_problem", .gauge, "1 while something is in a source's way, by kind of problem."),
        MetricDescription("svcctl_source_findings", .gauge, "What is wrong with documents now, by severity."),
    ]

    private static let kernel = [
        MetricDescription(
            "svcctl_drift_events_total", .counter, "Changes that others made to what is ours, by the process that did."),
        MetricDescription("svcctl_sysctl_wrong", .gauge, "1 for each kernel setting that is not as it must be."),
    ]

    private static let services = [
        MetricDescription("svcctl_services", .gauge, "Services that are served."),
        MetricDescription("svcctl_frontends", .gauge, "Addresses and ports that are served."),
        MetricDescription(
            "svcctl_frontend_conflicts", .gauge, "Frontends that services do not get: older ones have them."),
        MetricDescription(
            "svcctl_services_refused", .gauge, "Services that keep an older state, because theirs now is not possible."),
        MetricDescription(
            "svcctl_service_connections_total", .counter, "New connections, by frontend, since it was made."),
        MetricDescription(
            "svcctl_service_drops_total", .counter, "Connections refused or dropped, by frontend, since it was made."),
    ]

    private static let health = [
        MetricDescription("kubeproxy_proxy_healthz_total", .counter, "Answers of /healthz, by status."),
        MetricDescription("kubeproxy_proxy_livez_total", .counter, "Answers of /livez, by status."),
        MetricDescription(
            "svcctl_node_eligible", .gauge, "0 while the node is being deleted, and /healthz fails; 1 otherwise."),
        MetricDescription(
            "svcctl_health_check_local_endpoints", .gauge, "Local endpoints that a health-check node port tells of."),
    ]

    private static let process = [
        MetricDescription("svcctl_build_info", .gauge, "Always 1; the labels say what runs."),
        MetricDescription("process_resident_memory_bytes", .gauge, "Resident memory."),
        MetricDescription("process_cpu_seconds_total", .counter, "Time on processors, user and system."),
        MetricDescription("process_open_fds", .gauge, "Open file descriptors."),
        MetricDescription("process_start_time_seconds", .gauge, "When the process began."),
    ]
}
