public import Netlink

/// Why links or their addresses could not be read or changed.
public struct LinkError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The kernel lacks this kind of link: the module of the name is not there.
        case missingModule(String)
        /// It takes CAP_NET_ADMIN.
        case notPermitted
        /// A link of the name exists already.
        case linkPresent
        case linkAbsent
        /// What was asked for cannot be, in a sentence. Nothing was sent.
        case invalid(String)
        /// Anything else.
        case refused(NetlinkError)
    }

    public let reason: Reason
    /// What it is about, for example `link svcctl0` or `address 10.96.0.1 of svcctl0`.
    public let place: String

    public init(_ reason: Reason, _ place: String) {
        self.reason = reason
        self.place = place
    }

    /// Sorts a kernel's answer; what is absent or present is a link.
    init(_ error: NetlinkError, _ place: String) {
        let reason: Reason
        if error.isPermission {
            reason = .notPermitted
        } else if error.isPresent {
            reason = .linkPresent
        } else if error.isMissingLink {
            reason = .linkAbsent
        } else {
            reason = .refused(error)
        }
        self.init(reason, place)
    }
}

extension LinkError: CustomStringConvertible {
    public var description: String {
        switch reason {
        case .missingModule(let module): "\(place): the kernel has no module \(module)"
        case .notPermitted: "\(place): not permitted; it takes CAP_NET_ADMIN"
        case .linkPresent: "\(place): exists already"
        case .linkAbsent: "\(place): does not exist"
        case .invalid(let sentence): "\(place): \(sentence)"
        case .refused(let error): "\(place): \(error)"
        }
    }
}
