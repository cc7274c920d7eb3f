#if IPSet

    internal import CIPSet
    internal import Glibc
    internal import Netlink

    /// The sets of a network namespace: that of the thread which makes the session.
    ///
    /// Writing goes by libipset, which knows the kernel's types and their revisions, and packs what is added to or
    /// deleted from one set into messages of 4 KiB. A session blocks while the kernel works, and belongs to one task at
    /// a time.
    public struct IPSetSession: ~Copyable {
        /// Whether this program was built with libipset.
        public static let hasLibrary = true

        let session: OpaquePointer
        var lister: SetLister

        /// - Throws: ``IPSetError/Reason/missingModule(_:)`` for a kernel without `ip_set`, or
        ///   ``IPSetError/Reason/notPermitted``.
        public init() throws(IPSetError) {
            let opened: SetLister
            do {
                opened = try SetLister()
            } catch {
                throw IPSetError(.refused(code: error.errno), "\(error)")
            }
            session = try Library.open()
            lister = opened
        }

        deinit { Library.close(session) }

        // MARK: - Changing

        /// Makes a set.
        ///
        /// - Parameter ifAbsent: an equal set that is there already is no error. One that may hold more elements is not
        ///   equal.
        public mutating func create(_ spec: SetSpec, ifAbsent: Bool = false) throws(IPSetError) {
            try apply([.create(spec)], lenient: ifAbsent)
        }

        /// Removes a set and its elements.
        public mutating func destroy(_ set: String, ifPresent: Bool = false) throws(IPSetError) {
            do {
                try apply([.destroy(set)])
            } catch {
                guard ifPresent, case .setAbsent = error.reason else { throw error }
            }
        }

        /// Removes all elements of a set.
        public mutating func flush(_ set: String) throws(IPSetError) { try apply([.flush(set)]) }

        /// Exchanges the contents of two sets of the same type and family at once; rules follow the names.
        public mutating func swap(_ set: String, _ other: String) throws(IPSetError) {
            try apply([.swap(set, other)])
        }

        /// Gives a set that nothing needs another name.
        public mutating func rename(_ set: String, to name: String) throws(IPSetError) {
            try apply([.rename(set, to: name)])
        }

        /// Adds elements to a set, in order.
        ///
        /// - Parameter lenient: an element that is there already is no error, and gets the new mark.
        public mutating func add(
            _ elements: some Collection<SetElement>, to set: String, lenient: Bool = false
        ) throws(IPSetError) {
            try apply(elements.lazy.map { .add($0, to: set) }, lenient: lenient)
        }

        /// Deletes elements from a set, in order.
        ///
        /// - Parameter lenient: an element that is not there is no error.
        public mutating func delete(
            _ elements: some Collection<SetElement>, from set: String, lenient: Bool = false
        ) throws(IPSetError) {
            try apply(elements.lazy.map { .delete($0, from: set) }, lenient: lenient)
        }

        /// Does one thing after the other. It is not atomic: what comes before a failure is done, what comes after it is
        /// not, and the error says where that is. An operation that cannot be (``SetOperation/problem``) fails when its
        /// turn comes.
        ///
        /// - Parameter lenient: what is there already, or is gone already, is no error: elements, and equal sets.
        public mutating func apply(
            _ operations: some Collection<SetOperation>, lenient: Bool = false
        ) throws(IPSetError) {
            do {
                try Library.apply(operations, lenient: lenient, session)
            } catch {
                guard case .setFull(let set, nil) = error.reason else { throw error }
                var telling = error
                telling.reason = .setFull(set, maxElements: try? self.set(named: set)?.spec?.maxElements)
                throw telling
            }
        }

        // MARK: - Reading

        /// Whether a set has an element, whatever its mark is. A block of one address is in a set of blocks, too, if one
        /// of them holds it.
        public mutating func contains(_ element: SetElement, in set: String) throws(IPSetError) -> Bool {
            if let problem = SetSpec.problem(ofName: set) ?? element.problem { throw IPSetError(.invalid, problem) }
            return try Library.test(element, set, session)
        }

        /// All sets without their elements, by name.
        public mutating func sets() throws(IPSetError) -> [ListedSet] {
            do { return try lister.headers().sorted { $0.name < $1.name } } catch { throw Self.error(error) }
        }

        /// A set without its elements; nil if it is not there.
        public mutating func set(named name: String) throws(IPSetError) -> ListedSet? {
            do {
                return try lister.headers(name).first
            } catch {
                if error.isAbsent { return nil }
                throw Self.error(error)
            }
        }

        /// A set with its elements; nil if it is not there.
        public mutating func content(of name: String) throws(IPSetError) -> SetContent? {
            do {
                return try lister.contents(name).first
            } catch {
                if error.isAbsent { return nil }
                throw Self.error(error)
            }
        }

        /// All sets with their elements, by name.
        public mutating func contents() throws(IPSetError) -> [SetContent] {
            do { return try lister.contents().sorted { $0.set.name < $1.set.name } } catch { throw Self.error(error) }
        }

        private static func error(_ error: NetlinkError) -> IPSetError {
            IPSetError(error.isPermission ? .notPermitted : .refused(code: error.errno), "\(error)")
        }
    }

#endif
