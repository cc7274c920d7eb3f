internal import FoundationEssentials

// More of etcd's messages: those that change something.

struct TransactionRequest: Encodable {
    struct Put: Encodable {
        var key: Data
        var value: Data
        var lease: WireNumber
    }

    struct Deletion: Encodable { var key: Data }

    struct Operation: Encodable {
        var put: Put?
        var deletion: Deletion?

        enum CodingKeys: String, CodingKey {
            case put = "request_put"
            case deletion = "request_delete_range"
        }

        init(_ change: EtcdChange) {
            switch change {
            case .put(let key, let value, let lease):
                put = Put(key: Data(key.utf8), value: Data(value), lease: WireNumber(lease))
            case .delete(let key): deletion = Deletion(key: Data(key.utf8))
            }
        }
    }

    /// What must hold of a key.
    struct Condition: Encodable {
        var key: Data
        var target = "LEASE"
        var lease: WireNumber
    }

    var compare: [Condition] = []
    var success: [Operation]
}

struct TransactionResponse: Decodable {
    struct Deletion: Decodable { var deleted: WireNumber? }

    struct Response: Decodable {
        var deletion: Deletion?
        enum CodingKeys: String, CodingKey { case deletion = "response_delete_range" }
    }

    var succeeded: Bool?
    var responses: [Response]?
}

struct LeaseGrantRequest: Encodable {
    var seconds: WireNumber
    enum CodingKeys: String, CodingKey { case seconds = "TTL" }
}

struct LeaseRequest: Encodable {
    var id: WireNumber
    enum CodingKeys: String, CodingKey { case id = "ID" }
}

struct LeaseResponse: Decodable {
    var id: WireNumber?
    var seconds: WireNumber?

    enum CodingKeys: String, CodingKey {
        case id = "ID"
        case seconds = "TTL"
    }
}

/// The gateway's keepalive is a stream of one message.
struct LeaseRenewal: Decodable { var result: LeaseResponse? }
