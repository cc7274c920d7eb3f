public import NetAddress

/// One attempt to reach an ``EchoServer``, for many that run at once.
public struct Probe: Hashable, Sendable {
    public var address: IPAddress
    public var port: UInt16
    public var transport: TransportProtocol
    /// The address to send from; nil lets the kernel choose.
    public var source: IPAddress?
    /// The port to send from; nil lets the kernel choose.
    public var sourcePort: UInt16?
    /// How long to wait for an answer.
    public var patience: Duration

    public init(
        _ address: IPAddress, port: UInt16, transport: TransportProtocol = .tcp, source: IPAddress? = nil,
        sourcePort: UInt16? = nil, patience: Duration = .seconds(5)
    ) {
        self.address = address
        self.port = port
        self.transport = transport
        self.source = source
        self.sourcePort = sourcePort
        self.patience = patience
    }
}

/// The probes that one namespace sends.
public struct ProbeBatch: Sendable {
    public var namespace: NetworkNamespace
    public var probes: [Probe]

    public init(from namespace: NetworkNamespace, _ probes: [Probe]) {
        self.namespace = namespace
        self.probes = probes
    }
}

extension Client {
    /// Sends many probes at the same time: all namespaces at once, and from each a few hundred sockets at once. Silence
    /// then costs its time once, and not once for every probe.
    ///
    /// - Returns: the outcomes of each batch, in the order of its probes.
    public static func probe(_ batches: [ProbeBatch]) throws -> [[Outcome]] {
        try WorkerThread.runAll(
            batches.map { batch in
                {
                    try batch.namespace.run {
                        let prober = try Prober(batch.probes)
                        return try prober.run()
                    }
                }
            })
    }

    /// Sends many probes of one namespace at the same time.
    public static func probe(_ probes: [Probe], from namespace: NetworkNamespace) throws -> [Outcome] {
        try probe([ProbeBatch(from: namespace, probes)]).flatMap { $0 }
    }
}
