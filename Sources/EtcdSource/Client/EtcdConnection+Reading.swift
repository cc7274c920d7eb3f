internal import AsyncHTTPClient
internal import FoundationEssentials
internal import NIOCore
internal import NIOFoundationEssentialsCompat

extension EtcdConnection {
    /// Reads all keys under the prefix, all as they were at one revision.
    func list(_ layout: KeyLayout) async throws -> StoreListing {
        var listing = StoreListing(layout: layout)
        var page = timing.page
        var start = Data(layout.range.start)
        var revision: WireNumber?
        while true {
            let request = RangeRequest(
                key: start, rangeEnd: Data(layout.range.end), limit: WireNumber(Int64(page)), revision: revision)
            let answer: RangeResponse
            do {
                answer = try await call("/v3/kv/range", request)
            } catch let error as EtcdError where error.kind == .tooLarge && page > 1 {
                page /= 2
                continue
            }
            if revision == nil {
                guard let clusterID = answer.header.clusterID, let first = answer.header.revision else {
                    throw EtcdError(.notUnderstood, "\(member) tells no revision")
                }
                listing.clusterID = clusterID
                listing.revision = first.value
                revision = first
            }
            for pair in answer.kvs ?? [] {
                listing.add(
                    key: pair.key.map { Array($0) } ?? [], value: pair.value.map { Array($0) } ?? [],
                    createRevision: pair.createRevision?.value ?? 0, modRevision: pair.modRevision?.value ?? 0)
            }
            guard answer.more == true, let last = answer.kvs?.last?.key else { return listing }
            start = last + [0]
        }
    }

    /// Why the store cannot be the one of a history; nil if it is, which means that its events can be followed from
    /// there.
    ///
    /// - Throws: ``EtcdError`` of the kind `compacted` if that can't be told.
    func contradiction(to history: StoreHistory, _ layout: KeyLayout) async throws -> String? {
        let request = RangeRequest(
            key: Data(layout.range.start), rangeEnd: Data(layout.range.end), revision: WireNumber(history.revision),
            countOnly: true)
        let answer: RangeResponse
        do {
            answer = try await call("/v3/kv/range", request)
        } catch let error as EtcdError where error.kind == .futureRevision {
            return "the revision went back below \(history.revision)"
        }
        let count = Int(answer.count?.value ?? 0)
        return history.contradiction(
            clusterID: answer.header.clusterID ?? "", revision: answer.header.revision?.value ?? 0)
            ?? (count == history.keyCount
                ? nil : "there are \(count) keys at revision \(history.revision), where there were \(history.keyCount)")
    }

    /// The store's present revision; the answer takes a majority of the members.
    func revision(_ layout: KeyLayout) async throws -> Int64 {
        let request = RangeRequest(key: Data(layout.accept.utf8))
        let answer: RangeResponse = try await call("/v3/kv/range", request)
        return answer.header.revision?.value ?? 0
    }

    /// Starts a watch; its messages come one a line, as ``MessageBuffer`` takes them.
    func watch(_ layout: KeyLayout, from revision: Int64) async throws -> HTTPClientResponse.Body {
        let request = WatchRequest(
            create: .init(
                key: Data(layout.range.start), rangeEnd: Data(layout.range.end), startRevision: WireNumber(revision)))
        return try await stream("/v3/watch", request)
    }
}
