internal import Glibc
internal import PrometheusText

/// What the kernel knows of this process, under the names that Prometheus' own client libraries use.
enum ProcessFacts {
    static func samples() -> [MetricSample] {
        var samples: [MetricSample] = []
        // Sizes in pages (proc(5), statm).
        if let pages = file("/proc/self/statm")?.split(separator: " ").dropFirst().first.flatMap({ Double($0) }) {
            samples.append(MetricSample("process_resident_memory_bytes", pages * Double(sysconf(Int32(_SC_PAGESIZE)))))
        }
        // 0 is RUSAGE_SELF (bits/resource.h), which Swift sees with another type than the call wants.
        var usage = rusage()
        if getrusage(0, &usage) == 0 {
            let seconds = Double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
            let microseconds = Double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
            samples.append(MetricSample("process_cpu_seconds_total", seconds + microseconds / 1e6))
        }
        if let count = openFiles() { samples.append(MetricSample("process_open_fds", Double(count))) }
        if let start = startTime() { samples.append(MetricSample("process_start_time_seconds", start)) }
        return samples
    }

    private static func openFiles() -> Int? {
        guard let directory = opendir("/proc/self/fd") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while readdir(directory) != nil { count += 1 }
        // Without `.`, `..` and the directory's own descriptor.
        return max(0, count - 3)
    }

    /// When the machine started plus the process' own start in clock ticks, field 22 of stat, the 20th behind the name.
    private static func startTime() -> Double? {
        guard let stat = file("/proc/self/stat"), let end = stat.lastIndex(of: ")"),
            let boot = file("/proc/stat")?.split(separator: "\n").first(where: { $0.hasPrefix("btime ") })
                .flatMap({ Double($0.dropFirst(6)) })
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        guard fields.indices.contains(19), let ticks = Double(fields[19]) else { return nil }
        return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }

    private static func file(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &buffer, buffer.count)
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes += buffer.prefix(count)
        }
    }
}
