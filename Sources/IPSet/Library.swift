#if IPSet

    internal import CIPSet
    internal import Glibc
    internal import NetAddress
    internal import Synchronization

    /// libipset, one call at a time: its list of types, and a cache of sets by their names, are the whole process's.
    ///
    /// The cache is of no use here, since it takes sets of other namespaces, or that others have made anew, for those
    /// that it knows. So types of sets are given with each element, and the cache is emptied after each exchange.
    enum Library {
        private static let state = Mutex(false)

        private static func locked<Result: ~Copyable>(
            _ body: () throws(IPSetError) -> sending Result
        ) throws(IPSetError) -> sending Result {
            try state.withLock { (isLoaded) throws(IPSetError) in
                if !isLoaded {
                    ipset_load_types()
                    isLoaded = true
                }
                defer { ipset_cache_del(nil) }
                return try body()
            }
        }

        /// Opens a session and its socket in the calling thread's network namespace.
        static func open() throws(IPSetError) -> OpaquePointer {
            try locked { () throws(IPSetError) in
                guard let session = cipset_open() else { throw IPSetError(.refused(code: ENOMEM), "no memory") }
                // Asks for the version of the protocol, which opens the socket.
                guard ipset_cmd(session, IPSET_CMD_NONE, 0) == 0 else {
                    let (code, message) = LibraryReport(session).code([IPSET_CMD_PROTOCOL])
                    ipset_session_fini(session)
                    switch code {
                    case EPERM, EACCES: throw IPSetError(.notPermitted, message)
                    // What netfilter answers where the whole subsystem is missing.
                    case EINVAL: throw IPSetError(.missingModule("ip_set"), message)
                    default: throw IPSetError(.refused(code: code), message)
                    }
                }
                return session
            }
        }

        static func close(_ session: OpaquePointer) {
            state.withLock { _ in _ = ipset_session_fini(session) }
        }

        static func apply(
            _ operations: some Collection<SetOperation>, lenient: Bool, _ session: OpaquePointer
        ) throws(IPSetError) {
            try locked { () throws(IPSetError) in
                if lenient {
                    ipset_envopt_set(session, IPSET_ENV_EXIST)
                } else {
                    ipset_envopt_unset(session, IPSET_ENV_EXIST)
                }
                var run = LibraryRun(session)
                try run.apply(operations)
            }
        }

        /// Whether a set has an element.
        static func test(_ element: SetElement, _ set: String, _ session: OpaquePointer) throws(IPSetError) -> Bool {
            try locked { () throws(IPSetError) in
                var data = LibraryData(session)
                defer { data.reset() }
                data.set(name: set)
                data.set(element)
                ipset_session_report_reset(session)
                if ipset_cmd(session, IPSET_CMD_TEST, 0) == 0 { return true }
                if ipset_session_report_type(session) == IPSET_NOTICE { return false }
                throw LibraryReport(session).error(nil, set, [IPSET_CMD_TEST], done: 0)
            }
        }
    }

#endif
