/// Why the store is not believed, until what is served is there again or the operator takes the store as it is.
struct LossAlarm: Hashable, Sendable {
    /// What happened, in words.
    var reason: String
    /// Writing the key `accept` ends the alarm from this revision on.
    var acceptableFrom: Int64
}

/// What is known of the history of a store: enough to tell it from another one.
struct StoreHistory: Hashable, Sendable {
    var clusterID: String
    /// All events up to this revision are known.
    var revision: Int64
    /// How many keys there were under the prefix at that revision.
    var keyCount: Int

    /// Why an answer cannot come from a store with this history; nil if it can.
    func contradiction(clusterID other: String, revision now: Int64) -> String? {
        if other != clusterID { return "another cluster answers, \(other), where it was \(clusterID)" }
        if now < revision { return "the revision went back from \(revision) to \(now)" }
        return nil
    }
}
