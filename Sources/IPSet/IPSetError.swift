/// Why sets could not be read or changed.
public struct IPSetError: Error, Hashable, Sendable {
    public enum Reason: Hashable, Sendable {
        /// The kernel has no sets (`ip_set`), or not this type (`ip_set_hash_ipportnet`).
        case missingModule(String)
        /// This program was built without libipset.
        case missingLibrary
        /// It takes CAP_NET_ADMIN.
        case notPermitted
        case setAbsent(String)
        case setPresent(String)
        /// Rules, or other sets, need it.
        case setInUse(String)
        /// No element fits any more: see ``IPSetSession/enlarge(_:to:)``.
        case setFull(String, maxElements: UInt32?)
        /// Two sets cannot be swapped, since they are of different types or families.
        case setsDiffer(String, String)
        case elementPresent
        case elementAbsent
        /// The kernel's limit of sets is reached (65,534 and less).
        case tooManySets
        /// What was asked for cannot be; it was not sent.
        case invalid
        /// Something else that the kernel did not like: an errno, or one of `IPSET_ERR_…`; 0 if that is not known.
        case refused(code: Int32)
    }

    public var reason: Reason
    /// What failed; nil if it is nothing in particular.
    public var operation: SetOperation?
    /// How many operations came before it, all of which are done, as far as they were given in one go.
    public var done: Int
    /// A sentence of libipset's, the kernel's or ours.
    public var message: String

    public init(_ reason: Reason, _ message: String, operation: SetOperation? = nil, done: Int = 0) {
        self.reason = reason
        self.message = message
        self.operation = operation
        self.done = done
    }
}

extension IPSetError: CustomStringConvertible {
    public var description: String {
        let place = operation.map { "`\($0.text)`: " } ?? ""
        switch reason {
        case .missingModule(let module): return "\(place)the kernel has no module \(module)"
        case .notPermitted: return "\(place)not permitted; it takes CAP_NET_ADMIN"
        case .setFull(let set, let limit?): return "\(place)the set \(set) is full with \(limit) elements"
        case .setInUse(let set): return "\(place)the set \(set) is in use"
        default: return "\(place)\(message)"
        }
    }
}
