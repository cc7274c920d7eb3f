internal import Agent
internal import Backends
internal import Dataplane
internal import Links
internal import ServicePlan

/// The kernel's settings (sysctl(8)) that the rules need to do their work.
enum KernelSettings {
    static func needed(_ settings: AgentSettings) -> [KernelSetting] {
        var needed = [
            KernelSetting(
                name: "net.ipv4.ip_forward", value: "1", harm: "connections from elsewhere reach no endpoint over IPv4"),
            // Without IPv6 in the kernel there is nothing to forward.
            KernelSetting(
                name: "net.ipv6.conf.all.forwarding", value: "1",
                harm: "connections from elsewhere reach no endpoint over IPv6", isOptional: true),
        ]
        let hasBridges = settings.node.podInterfaces.contains { if case .bridge = $0 { true } else { false } }
        if hasBridges {
            for family in ["iptables", "ip6tables"] {
                needed.append(
                    KernelSetting(
                        name: "net.bridge.bridge-nf-call-\(family)", value: "1",
                        harm: "answers between pods on one bridge are not translated back"))
            }
        }
        return needed + (BackendName(rawValue: settings.backend)?.kernelSettings ?? [])
    }

    /// What is not as it must be, by name, each as a sentence.
    ///
    /// - Parameter sets: whether it is set right where that is possible.
    /// - Returns: what is wrong still, and what was set.
    static func check(_ needed: [KernelSetting], sets: Bool) -> (wrong: [String: String], set: [String]) {
        var wrong: [String: String] = [:]
        var done: [String] = []
        for setting in needed {
            let value: String
            do {
                value = try Sysctl.read(setting.name)
            } catch {
                if !setting.isOptional { wrong[setting.name] = "\(setting.name) \(error.sentence); \(setting.harm)" }
                continue
            }
            guard value != setting.value else { continue }
            let what = "\(setting.name) is \(value) and must be \(setting.value), or \(setting.harm)"
            guard sets else {
                wrong[setting.name] = "\(what); set it, or use --set-sysctls"
                continue
            }
            do {
                try Sysctl.write(setting.name, setting.value)
                done.append("\(setting.name) is set to \(setting.value); it was \(value)")
            } catch {
                wrong[setting.name] = "\(what); setting it \(error.sentence)"
            }
        }
        return (wrong, done)
    }
}
