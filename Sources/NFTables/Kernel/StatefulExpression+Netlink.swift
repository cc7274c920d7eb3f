internal import CNetfilter

// Expressions with a memory, to and from libnftnl's objects.

extension StatefulExpression {
    /// A libnftnl expression, which belongs to whoever it is added to.
    func allocate() -> OpaquePointer? {
        guard let object = nftnl_expr_alloc(kernelName) else { return nil }
        let writer = ExpressionWriter(object: object)
        switch self {
        case .counter: break
        case .rateOver(let rate, let burst):
            writer.set(NFTNL_EXPR_LIMIT_RATE, long: rate)
            writer.set(NFTNL_EXPR_LIMIT_UNIT, long: 1)
            writer.set(NFTNL_EXPR_LIMIT_BURST, burst)
            writer.set(NFTNL_EXPR_LIMIT_TYPE, 0)
            writer.set(NFTNL_EXPR_LIMIT_FLAGS, inverted)
        case .connectionsOver(let count):
            writer.set(NFTNL_EXPR_CONNLIMIT_COUNT, count)
            writer.set(NFTNL_EXPR_CONNLIMIT_FLAGS, inverted)
        }
        return object
    }
}

extension StatefulExpression {
    /// Reads an expression of an element or a rule; nil for one that no set of ours has.
    init?(_ object: OpaquePointer) {
        let reader = ExpressionReader(object: object)
        switch reader.text(Int(NFTNL_EXPR_NAME)) {
        case "counter": self = .counter
        case "limit":
            guard reader.number(NFTNL_EXPR_LIMIT_TYPE) == 0, reader.number(NFTNL_EXPR_LIMIT_FLAGS) == inverted,
                reader.longNumber(NFTNL_EXPR_LIMIT_UNIT) == 1, let rate = reader.longNumber(NFTNL_EXPR_LIMIT_RATE),
                let burst = reader.number(NFTNL_EXPR_LIMIT_BURST)
            else { return nil }
            self = .rateOver(perSecond: rate, burst: burst)
        case "connlimit":
            guard reader.number(NFTNL_EXPR_CONNLIMIT_FLAGS) == inverted,
                let count = reader.number(NFTNL_EXPR_CONNLIMIT_COUNT)
            else { return nil }
            self = .connectionsOver(count)
        default: return nil
        }
    }

    /// The kernel's name of the expression.
    var kernelName: String {
        switch self {
        case .counter: "counter"
        case .rateOver: "limit"
        case .connectionsOver: "connlimit"
        }
    }
}
