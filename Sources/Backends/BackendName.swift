public import Dataplane
internal import IPTablesBackend
internal import IPVSBackend
internal import NFTablesBackend
public import ServiceModel
public import ServicePlan

/// The backends that this version has. This is the one place that knows them all.
public enum BackendName: String, CaseIterable, Sendable {
    case nftables
    case iptables
    case ipvs

    /// All others.
    public var others: [BackendName] { Self.allCases.filter { $0 != self } }
}

/// Something to do with a backend, whichever it is: each has types of its own.
public protocol BackendVisitor {
    associatedtype Output

    func visit<Backend: NodeBackend & ~Copyable>(_ type: Backend.Type) throws -> Output
}

extension BackendName {
    /// Does something with this backend.
    public func visit<Visitor: BackendVisitor>(_ visitor: Visitor) throws -> Visitor.Output {
        switch self {
        case .nftables: try visitor.visit(NFTablesBackend.self)
        case .iptables: try visitor.visit(IPTablesBackend.self)
        case .ipvs: try visitor.visit(IPVSBackend.self)
        }
    }

    /// What it does of all that a definition can ask for.
    public var capabilities: [Capability] {
        switch self {
        case .nftables: NFTablesBackend.capabilities
        case .iptables: IPTablesBackend.capabilities
        case .ipvs: IPVSBackend.capabilities
        }
    }

    /// What of a service it does not do on such a node.
    public func limits(of service: Service, on node: NodeFacts) -> [BackendLimit] {
        switch self {
        case .nftables: NFTablesBackend.limits(of: service, on: node)
        case .iptables: IPTablesBackend.limits(of: service, on: node)
        case .ipvs: IPVSBackend.limits(of: service, on: node)
        }
    }

    /// What it needs of the kernel's settings, beyond forwarding.
    public var kernelSettings: [KernelSetting] {
        switch self {
        case .nftables: NFTablesBackend.kernelSettings
        case .iptables: IPTablesBackend.kernelSettings
        case .ipvs: IPVSBackend.kernelSettings
        }
    }

    /// Finds out whether it could work in this kernel as things are now. Nothing is changed.
    public func check(_ layout: LayoutOptions) throws { try visit(Check(layout: layout)) }

    /// Makes the kernel match.
    public func apply(_ plans: ServicePlans, _ layout: LayoutOptions) throws -> ChangeSummary {
        try visit(Apply(plans: plans, layout: layout))
    }

    /// What `apply` would change now.
    public func differences(_ plans: ServicePlans, _ layout: LayoutOptions) throws -> [DifferenceLine] {
        try visit(Differences(plans: plans, layout: layout))
    }

    /// What the kernel has now; nil if it has nothing of this backend's.
    ///
    /// - Parameter withEndpoints: whether endpoints are listed too, of which there are many more than frontends.
    public func status(withEndpoints: Bool = true) throws -> [FrontendStatus]? {
        try visit(Status(withEndpoints: withEndpoints))
    }

    /// Everything that the kernel has of this backend's, as it is removed when another one takes over.
    public func leftovers() throws -> [DifferenceLine] { try visit(Leftovers()) }

    /// Removes everything of this backend's.
    public func removeAll() throws -> ChangeSummary { try visit(Removal()) }
}

private struct Check: BackendVisitor {
    let layout: LayoutOptions

    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws {
        var backend = Backend(options: layout)
        try backend.checkKernel()
        try backend.findObstacles()
    }
}

private struct Apply: BackendVisitor {
    let plans: ServicePlans
    let layout: LayoutOptions

    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws -> ChangeSummary {
        var reconciliation = Reconciliation(Backend(options: layout), plans: plans)
        try reconciliation.observe()
        return try reconciliation.apply()
    }
}

private struct Differences: BackendVisitor {
    let plans: ServicePlans
    let layout: LayoutOptions

    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws -> [DifferenceLine] {
        var reconciliation = Reconciliation(Backend(options: layout), plans: plans)
        try reconciliation.observe()
        return Backend.differences(in: reconciliation.state)
    }
}

private struct Status: BackendVisitor {
    let withEndpoints: Bool

    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws -> [FrontendStatus]? {
        var backend = Backend(options: LayoutOptions())
        return try backend.status(withEndpoints: withEndpoints)
    }
}

private struct Leftovers: BackendVisitor {
    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws -> [DifferenceLine] {
        var backend = Backend(options: LayoutOptions())
        // Looking for the status loads no modules.
        guard try backend.status(withEndpoints: false) != nil else { return [] }
        var state = DeltaTracker<Backend.Key, Backend.Value>()
        try backend.observe(into: &state)
        return Backend.differences(in: state)
    }
}

private struct Removal: BackendVisitor {
    func visit<Backend: NodeBackend & ~Copyable>(_: Backend.Type) throws -> ChangeSummary {
        var backend = Backend(options: LayoutOptions())
        return try backend.removeAll()
    }
}
