public import ServiceModel
public import ServicePlan

/// A backend as a program runs it that lets its user choose among several.
public protocol NodeBackend: DataplaneBackend, ~Copyable {
    /// What it does of all that a definition can ask for.
    static var capabilities: [Capability] { get }

    init(options: LayoutOptions)

    /// What it needs of the kernel's settings, beyond forwarding. They may be there only once it has looked at the kernel.
    static var kernelSettings: [KernelSetting] { get }

    /// What of a service it does not do on such a node.
    static func limits(of service: Service, on node: NodeFacts) -> [BackendLimit]

    /// The differences between what should be and what is, in a fixed order. A changed object has two lines: what is
    /// there, and what should be.
    static func differences(in state: borrowing DeltaTracker<Key, Value>) -> [DifferenceLine]

    /// Finds out whether the kernel has what everything needs that is there whatever the services are, and what the options
    /// ask for. Nothing is changed.
    ///
    /// - Throws: a ``BackendError`` that says what is missing.
    mutating func checkKernel() throws(BackendError)

    /// Finds out whether something of somebody else's stands in the way. Nothing is changed.
    ///
    /// - Throws: a ``BackendError`` that says what.
    mutating func findObstacles() throws(BackendError)

    /// What the kernel has of ours now, by service; nil if there is nothing.
    ///
    /// - Parameter withEndpoints: whether endpoints are listed too, of which there are many more than frontends. A backend
    ///   that reads them anyway may list them all the same.
    mutating func status(withEndpoints: Bool) throws(BackendError) -> [FrontendStatus]?
}

extension NodeBackend where Self: ~Copyable {
    public static var kernelSettings: [KernelSetting] { [] }

    /// It is found where the kernel is read.
    public mutating func findObstacles() throws(BackendError) {
        var state = DeltaTracker<Key, Value>()
        state.want(skeleton())
        try observe(into: &state)
    }

    /// The same with endpoints.
    public mutating func status() throws(BackendError) -> [FrontendStatus]? { try status(withEndpoints: true) }
}
