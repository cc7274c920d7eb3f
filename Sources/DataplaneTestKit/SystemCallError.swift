import Glibc

/// A system call that failed.
public struct SystemCallError: Error, Hashable, Sendable {
    /// The call, as its manual page is named.
    public let call: String
    /// The error number.
    public let number: Int32

    public init(call: String, number: Int32) {
        self.call = call
        self.number = number
    }

    /// The error that the calling thread's last call left behind.
    static func last(_ call: String) -> SystemCallError { SystemCallError(call: call, number: errno) }
}

extension SystemCallError: CustomStringConvertible {
    public var description: String { "\(call): \(String(cString: strerror(number)))" }
}

/// Passes the result of a call on, or throws its error if it is negative.
@discardableResult
func check<Number: SignedInteger>(_ call: String, _ result: Number) throws(SystemCallError) -> Number {
    guard result >= 0 else { throw .last(call) }
    return result
}
