internal import Agent
internal import Glibc
internal import ServicePlan

/// The kernel's settings (sysctl(8)) that the rules need to do their work.
enum KernelSettings {
    struct Setting: Hashable, Sendable {
        /// `net.ipv4.ip_forward`.
        var name: String
        var value: String
        /// What goes wrong without it.
        var harm: String
        /// Whether it counts only where it exists.
        var isOptional = false

        var path: String { "/proc/sys/" + name.split(separator: ".").joined(separator: "/") }
    }

    static func needed(_ settings: AgentSettings) -> [Setting] {
        var needed = [
            Setting(
                name: "net.ipv4.ip_forward", value: "1", harm: "connections from elsewhere reach no endpoint over IPv4"),
            // Without IPv6 in the kernel there is nothing to forward.
            Setting(
                name: "net.ipv6.conf.all.forwarding", value: "1",
                harm: "connections from elsewhere reach no endpoint over IPv6", isOptional: true),
        ]
        let hasBridges = settings.node.podInterfaces.contains { if case .bridge = $0 { true } else { false } }
        if hasBridges {
            for family in ["iptables", "ip6tables"] {
                needed.append(
                    Setting(
                        name: "net.bridge.bridge-nf-call-\(family)", value: "1",
                        harm: "answers between pods on one bridge are not translated back"))
            }
        }
        return needed
    }

    /// What is not as it must be, by name, each as a sentence.
    ///
    /// - Parameter sets: whether it is set right where that is possible.
    /// - Returns: what is wrong still, and what was set.
    static func check(_ needed: [Setting], sets: Bool) -> (wrong: [String: String], set: [String]) {
        var wrong: [String: String] = [:]
        var done: [String] = []
        for setting in needed {
            guard let value = read(setting.path) else {
                if !setting.isOptional {
                    wrong[setting.name] = "\(setting.name) is not there: \(setting.harm); load its module"
                }
                continue
            }
            guard value != setting.value else { continue }
            let what = "\(setting.name) is \(value) and must be \(setting.value), or \(setting.harm)"
            if !sets {
                wrong[setting.name] = "\(what); set it, or use --set-sysctls"
            } else if let problem = write(setting.value, to: setting.path) {
                wrong[setting.name] = "\(what); it cannot be set: \(problem)"
            } else {
                done.append("\(setting.name) is set to \(setting.value); it was \(value)")
            }
        }
        return (wrong, done)
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        return String(decoding: bytes.prefix(count).prefix { $0 > 0x20 }, as: UTF8.self)
    }

    /// What is in the way; nil if it was written.
    private static func write(_ value: String, to path: String) -> String? {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return String(cString: strerror(errno)) }
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        return Glibc.write(descriptor, bytes, bytes.count) == bytes.count ? nil : String(cString: strerror(errno))
    }
}
