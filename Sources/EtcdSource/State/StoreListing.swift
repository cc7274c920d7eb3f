internal import ServiceModel

/// One document of the store.
struct StoredDocument: Hashable, Sendable {
    /// The largest document that is taken. A native service with thousands of endpoints is smaller.
    static let largest = 512 << 10

    var bytes: [UInt8]
    /// Why it is not even looked at.
    var problem: String?

    init(_ bytes: [UInt8]) {
        guard bytes.count <= Self.largest else {
            self.bytes = []
            problem = "\(bytes.count) bytes; a document may have \(Self.largest), which is 512 KiB"
            return
        }
        self.bytes = bytes
    }
}

/// What a store has of one service.
struct ServiceDocuments: Hashable, Sendable {
    var service: StoredDocument?
    /// The revision in which the service's key was made.
    var createRevision: Int64 = 0
    /// By ID.
    var endpoints: [String: StoredDocument] = [:]

    var isEmpty: Bool { service == nil && endpoints.isEmpty }
}

/// All keys under the prefix at one revision, put together from pages.
struct StoreListing: Sendable {
    /// More keys without a meaning are not remembered, however many somebody writes.
    static let mostOutside = 1000

    let layout: KeyLayout
    var clusterID = ""
    var revision: Int64 = 0
    private(set) var services: [ServiceName: ServiceDocuments] = [:]
    /// By name.
    private(set) var nodes: [String: StoredDocument] = [:]
    /// Keys that have no meaning, as they can be printed, with the reason.
    private(set) var outside: [String: String] = [:]
    /// The revision of the key that accepts the store; 0 without it.
    private(set) var acceptRevision: Int64 = 0
    private(set) var keyCount = 0

    init(layout: KeyLayout) { self.layout = layout }

    mutating func add(key: [UInt8], value: [UInt8], createRevision: Int64, modRevision: Int64) {
        keyCount += 1
        switch layout.meaning(of: key) {
        case .service(let name):
            services[name, default: ServiceDocuments()].service = StoredDocument(value)
            services[name]?.createRevision = createRevision
        case .endpoint(let name, let id):
            services[name, default: ServiceDocuments()].endpoints[id] = StoredDocument(value)
        case .node(let name): nodes[name] = StoredDocument(value)
        case .accept: acceptRevision = modRevision
        case .outside(let reason):
            if outside.count < Self.mostOutside { outside[KeyLayout.printable(key)] = reason }
        }
    }
}
