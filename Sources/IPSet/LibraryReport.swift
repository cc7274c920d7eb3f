#if IPSet

    internal import CIPSet
    internal import Glibc

    /// What a session says after a failure.
    ///
    /// The library turns the kernel's number into a sentence and keeps nothing else. It also offers to make the sentence
    /// for a number; whichever gives the same one is the number. No sentence of a version of the library need be known
    /// here.
    struct LibraryReport {
        private let session: OpaquePointer
        /// The sentence.
        let message: String
        /// The number that came with the element at fault; nil if the command was about no element.
        let line: UInt32?

        init(_ session: OpaquePointer) {
            self.session = session
            (line, message) = Self.parts(of: Self.text(session))
        }

        private static func text(_ session: OpaquePointer) -> String {
            guard let text = ipset_session_report_msg(session) else { return "" }
            return String(cString: text)
        }

        /// Takes `Error in line 17: ` off (ipset_session_report in libipset's session.c).
        private static func parts(of text: String) -> (line: UInt32?, message: String) {
            let start = "Error in line "
            guard text.hasPrefix(start) else { return (nil, text) }
            let rest = text.dropFirst(start.count)
            let digits = rest.prefix { $0.isNumber }
            guard let line = UInt32(digits), rest.dropFirst(digits.count).hasPrefix(": ") else { return (nil, text) }
            return (line, String(rest.dropFirst(digits.count + 2)))
        }

        /// The errno, or `IPSET_ERR_…`, that the kernel answered; 0 if it cannot be told.
        func code(_ commands: [ipset_cmd]) -> (code: Int32, message: String) {
            defer { ipset_session_report_reset(session) }
            for command in commands {
                for code in Self.candidates {
                    ipset_session_report_reset(session)
                    ipset_errcode(session, command, code)
                    if Self.parts(of: Self.text(session)).message == message { return (code, message) }
                }
            }
            return (0, message)
        }

        /// Those that ipset has, of its core and of its types, and errnos.
        private static let candidates: [Int32] =
            Array(4097...4127) + Array(4352...4383) + Array(1...133)

        func error(_ operation: SetOperation?, _ set: String, _ commands: [ipset_cmd], done: Int) -> IPSetError {
            let (code, message) = code(commands)
            return IPSetError(
                Self.reason(code, operation, set), message.isEmpty ? "no answer" : message, operation: operation,
                done: done)
        }

        private static func reason(_ code: Int32, _ operation: SetOperation?, _ set: String) -> IPSetError.Reason {
            switch code {
            case EPERM, EACCES: return .notPermitted
            case ENOENT: return .setAbsent(set)
            case IPSET_ERR_MAX_SETS.code: return .tooManySets
            case IPSET_ERR_BUSY.code, IPSET_ERR_REFERENCED.code: return .setInUse(set)
            case Int32(IPSET_ERR_HASH_FULL): return .setFull(set, maxElements: nil)
            default: break
            }
            switch (code, operation) {
            case (IPSET_ERR_FIND_TYPE.code, .create(let spec)): return .missingModule(spec.type.module)
            case (EEXIST, .create): return .setPresent(set)
            case (IPSET_ERR_EXIST.code, .add): return .elementPresent
            case (IPSET_ERR_EXIST.code, .delete): return .elementAbsent
            case (IPSET_ERR_EXIST_SETNAME2.code, .rename(_, let name)): return .setPresent(name)
            case (IPSET_ERR_EXIST_SETNAME2.code, .swap(_, let other)): return .setAbsent(other)
            case (IPSET_ERR_TYPE_MISMATCH.code, .swap(_, let other)): return .setsDiffer(set, other)
            default: return .refused(code: code)
            }
        }
    }

    extension ipset_errno {
        fileprivate var code: Int32 { Int32(rawValue) }
    }

#endif
