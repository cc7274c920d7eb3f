internal import ServiceSource

/// Why a request to etcd failed.
package struct EtcdError: Error, Hashable, Sendable {
    package enum Kind: Hashable, Sendable {
        /// Nobody answers, or not in time, or the member cannot serve at the moment.
        case unreachable
        /// A wrong user, password or certificate, or too few rights.
        case notPermitted
        /// A file with a password, a certificate or a key cannot be read, or holds none.
        case unreadable
        /// The answer is not one of etcd's.
        case notUnderstood
        /// The token is not good any more.
        case staleToken
        /// The wanted revision is gone.
        case compacted
        /// The wanted revision has not been reached by this store.
        case futureRevision
        /// The answer is larger than what is taken.
        case tooLarge
        /// etcd says no, for any other reason.
        case refused
    }

    package var kind: Kind
    /// One sentence without a full stop.
    package var message: String

    package init(_ kind: Kind, _ message: String) {
        self.kind = kind
        self.message = message
    }

    /// What it means for a source.
    var problem: SourceProblem.Kind {
        switch kind {
        case .unreachable, .compacted, .futureRevision, .tooLarge, .refused: .unreachable
        case .notPermitted, .unreadable, .staleToken: .notPermitted
        case .notUnderstood: .notUnderstood
        }
    }
}

/// What the gateway answers instead of a result: `{"error": …, "code": N}`, and the same within streams.
struct GatewayError: Decodable {
    var code: Int?
    var grpcCode: Int?
    var message: String?
    var error: String?

    enum CodingKeys: String, CodingKey {
        case code, message, error
        case grpcCode = "grpc_code"
    }

    /// Codes of gRPC (google.golang.org/grpc/codes).
    var asError: EtcdError {
        let text = (message ?? error ?? "it gives no reason").prefix(300)
        let said = String(text.drop { $0 == " " })
        let lowercase = said.lowercased()
        let kind: EtcdError.Kind =
            if lowercase.contains("invalid auth token") || lowercase.contains("revision of auth store is old") {
                .staleToken
            } else if lowercase.contains("required revision has been compacted") {
                .compacted
            } else if lowercase.contains("required revision is a future revision") {
                .futureRevision
            } else if lowercase.contains("authentication failed") || lowercase.contains("user name is empty") {
                .notPermitted
            } else {
                switch code ?? grpcCode {
                case 7, 16: .notPermitted
                case 1, 4, 14: .unreachable
                default: .refused
                }
            }
        return EtcdError(kind, said.hasPrefix("etcdserver: ") ? String(said.dropFirst(12)) : said)
    }
}
