public import Dataplane
internal import IPVSBackend
internal import Links
internal import Netlink
internal import ServicePlan

// What a backend must know of the node that it works on.

extension BackendName {
    /// The same layout with what the backend must know of the node that this process runs on, as far as nobody has said it:
    /// IPVS has to be told each address of the node's own. Reads the kernel.
    public func completed(_ layout: LayoutOptions) throws(BackendError) -> LayoutOptions {
        guard self == .ipvs, layout.node.addresses == nil else { return layout }
        var completed = layout
        do {
            var reader = try NodeAddressReader()
            completed.node.addresses = try reader.addresses(exceptOn: ServiceDevice.names)
        } catch {
            throw BackendError(.refused, "the node's addresses cannot be read: \(error)")
        }
        return completed
    }

    /// What the kernel is not set to as this backend needs it, each as a sentence. It is read only.
    public var wrongSettings: [String] {
        kernelSettings.compactMap { setting in
            guard let value = try? Sysctl.read(setting.name) else { return nil }
            return value == setting.value
                ? nil
                : "\(setting.name) is \(value) and must be \(setting.value), or \(setting.harm): sysctl -w "
                    + "\(setting.name)=\(setting.value)"
        }
    }
}
