#if !IPSet

    /// What there is in a build without libipset: nothing that can be made.
    public struct IPSetSession: ~Copyable {
        /// Whether this program was built with libipset.
        public static let hasLibrary = false

        public init() throws(IPSetError) {
            throw IPSetError(
                .missingLibrary, "this svcctl was built without libipset (the package trait IPSet)")
        }

        public mutating func apply(_ operations: [SetOperation], lenient: Bool = false) throws(IPSetError) {}
        public mutating func sets() throws(IPSetError) -> [ListedSet] { [] }
        public mutating func content(of set: String) throws(IPSetError) -> SetContent? { nil }
        public mutating func enlarge(_ set: String, to maxElements: UInt32) throws(IPSetError) {}
    }

#endif
