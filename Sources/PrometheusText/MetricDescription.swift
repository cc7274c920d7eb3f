/// What a metric is, for whoever reads the exposition.
public struct MetricDescription: Hashable, Sendable {
    public enum Kind: String, Hashable, Sendable {
        case counter, gauge, histogram
    }

    public let name: String
    public let kind: Kind
    /// One sentence.
    public let help: String
    /// The upper bounds of a histogram's buckets, ascending, without infinity.
    public let buckets: [Double]

    public init(_ name: String, _ kind: Kind, _ help: String, buckets: [Double] = []) {
        self.name = name
        self.kind = kind
        self.help = help
        self.buckets = buckets
    }
}

/// One value of a metric that is known only when somebody asks.
public struct MetricSample: Hashable, Sendable {
    public var name: String
    public var labels: [(name: String, value: String)]
    public var value: Double

    public init(_ name: String, _ value: Double, _ labels: [(name: String, value: String)] = []) {
        self.name = name
        self.value = value
        self.labels = labels
    }

    public static func == (left: MetricSample, right: MetricSample) -> Bool {
        left.name == right.name && left.value == right.value && left.labels.elementsEqual(right.labels, by: ==)
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(value)
    }
}
