/// What somebody asks. Bodies are read and thrown away.
public struct HTTPRequest: Hashable, Sendable {
    /// `GET`, `HEAD`…
    public var method: String
    /// Without the query: `/metrics`.
    public var path: String
    /// Values by name, percent signs as they came.
    public var query: [String: String]
    /// The port that was asked.
    public var localPort: UInt16?
    /// The address that was asked, as text; nil on a unix socket.
    public var localAddress: String?

    /// - Parameter target: path and query, as the request line has them.
    public init(method: String, target: String, localAddress: String? = nil, localPort: UInt16? = nil) {
        self.method = method
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = parts.first.map(String.init) ?? target
        query = [:]
        for pair in parts.dropFirst().first?.split(separator: "&") ?? [] {
            let sides = pair.split(separator: "=", maxSplits: 1).map(String.init)
            if let name = sides.first { query[name] = sides.count > 1 ? sides[1] : "" }
        }
        self.localAddress = localAddress
        self.localPort = localPort
    }
}

/// What is answered.
public struct HTTPReply: Hashable, Sendable {
    public var status: Int
    /// Beside length and type.
    public var headers: [String: String]
    public var contentType: String
    public var body: [UInt8]

    public init(
        _ status: Int, _ body: String = "", contentType: String = "text/plain; charset=utf-8",
        headers: [String: String] = [:]
    ) {
        self.init(status, bytes: Array(body.utf8), contentType: contentType, headers: headers)
    }

    public init(_ status: Int, bytes: [UInt8], contentType: String, headers: [String: String] = [:]) {
        self.status = status
        self.headers = headers
        self.contentType = contentType
        body = bytes
    }

    /// Others are answered; it is worth another try.
    static let busy = HTTPReply(503, "too many ask for this at once\n", headers: ["Retry-After": "1"])
    public static let notFound = HTTPReply(404, "not found\n")
    public static let notAllowed = HTTPReply(405, "only GET and HEAD\n", headers: ["Allow": "GET, HEAD"])
}
