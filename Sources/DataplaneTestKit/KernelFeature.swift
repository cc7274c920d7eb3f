import Glibc

/// What this kernel has, for the trait `.enabled(if:)`, where not every kernel has it.
public enum KernelFeature {
    /// Whether the kernel has IPVS, as a module or built in. Asking loads the module.
    public static let hasIPVS = hasGenericNetlinkFamily("IPVS")

    /// Asks the controller of generic netlink for a family; the kernel then looks for a module too. Numbers are from
    /// `linux/genetlink.h`; all fields are in the host's order.
    private static func hasGenericNetlinkFamily(_ name: String) -> Bool {
        let (netlink, genericNetlink, controller): (Int32, Int32, UInt16) = (16, 16, 16)
        let (getFamily, nameAttribute): (UInt8, UInt16) = (3, 2)
        let text = Array(name.utf8) + [0]
        let padding = [UInt8](repeating: 0, count: (4 - text.count % 4) % 4)
        let request: [UInt8] =
            bytes(of: UInt32(24 + text.count + padding.count)) + bytes(of: controller) + bytes(of: UInt16(1))
            + bytes(of: UInt64(0)) + [getFamily, 1, 0, 0]
            + bytes(of: UInt16(4 + text.count)) + bytes(of: nameAttribute) + text + padding

        let socket = socket(netlink, Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue), genericNetlink)
        guard socket >= 0 else { return false }
        defer { close(socket) }
        guard send(socket, request, request.count, 0) == request.count else { return false }
        var answer = [UInt8](repeating: 0, count: 8192)
        guard recv(socket, &answer, answer.count, 0) >= 16 else { return false }
        // An error is of another type.
        return answer[4..<6].elementsEqual(bytes(of: controller))
    }

    private static func bytes(of value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value) { Array($0) }
    }
}
