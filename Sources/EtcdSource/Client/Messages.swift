internal import FoundationEssentials

// The messages of etcd's gRPC interface (etcdserver/etcdserverpb/rpc.proto) as its gateway has them in JSON: bytes in
// base64, 64-bit numbers as strings, and nothing where a number is 0 or a flag false.

/// A 64-bit number, in a string or not.
struct WireNumber: Codable, Hashable {
    var value: Int64

    init(_ value: Int64) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if let text = try? container.decode(String.self), let value = Int64(text) {
            self.value = value
        } else {
            value = try container.decode(Int64.self)
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(String(value))
    }
}

struct ResponseHeader: Decodable, Hashable {
    /// Unsigned and only ever compared, hence as text.
    var clusterID: String?
    var revision: WireNumber?

    enum CodingKeys: String, CodingKey {
        case revision
        case clusterID = "cluster_id"
    }
}

struct KeyValue: Decodable {
    var key: Data?
    var value: Data?
    var createRevision: WireNumber?
    var modRevision: WireNumber?

    enum CodingKeys: String, CodingKey {
        case key, value
        case createRevision = "create_revision"
        case modRevision = "mod_revision"
    }
}

struct RangeRequest: Encodable {
    var key: Data
    var rangeEnd: Data?
    var limit: WireNumber?
    var revision: WireNumber?
    var countOnly: Bool?
    var keysOnly: Bool?

    enum CodingKeys: String, CodingKey {
        case key, limit, revision
        case rangeEnd = "range_end"
        case countOnly = "count_only"
        case keysOnly = "keys_only"
    }
}

struct RangeResponse: Decodable {
    var header: ResponseHeader
    var kvs: [KeyValue]?
    var more: Bool?
    var count: WireNumber?
}

struct WatchRequest: Encodable {
    struct Create: Encodable {
        var key: Data
        var rangeEnd: Data
        var startRevision: WireNumber
        var progressNotify = true

        enum CodingKeys: String, CodingKey {
            case key
            case rangeEnd = "range_end"
            case startRevision = "start_revision"
            case progressNotify = "progress_notify"
        }
    }

    var create: Create

    enum CodingKeys: String, CodingKey { case create = "create_request" }
}

struct AuthenticateRequest: Encodable {
    var name: String
    var password: String
}

struct AuthenticateResponse: Decodable {
    var token: String?
}
