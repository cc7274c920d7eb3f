/// What a YAML scalar means, by the rules of YAML 1.1 that Kubernetes' tools follow: `yes` and `off` are booleans,
/// `0o17`, `017` and `0x0f` are numbers, whatever is quoted is a string. Timestamps and base-60 numbers stay strings.
enum YAMLScalar: Equatable {
    case null
    case bool(Bool)
    /// A whole number in decimal, or any other number as it was written.
    case number(String)
    case string

    init(_ text: String, tag: String, isPlain: Bool) {
        switch tag {
        case "tag:yaml.org,2002:str", "!": self = .string
        case "", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:bool",
            "tag:yaml.org,2002:null":
            self = isPlain || !tag.isEmpty ? YAMLScalar(plain: text) : .string
        default: self = .string
        }
    }

    private init(plain text: String) {
        switch text {
        case "", "~", "null", "Null", "NULL": self = .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "y", "Y", "on", "On", "ON": self = .bool(true)
        case "false", "False", "FALSE", "no", "No", "NO", "n", "N", "off", "Off", "OFF": self = .bool(false)
        default: self = YAMLScalar.number(in: text) ?? .string
        }
    }

    var kind: TreeNode.Kind {
        switch self {
        case .null: .null
        case .bool(let value): value ? .true : .false
        case .number: .number
        case .string: .string
        }
    }

    /// The text for the tree where it is not the scalar's own.
    var text: String? {
        if case .number(let text) = self { text } else { nil }
    }

    private static func number(in text: String) -> YAMLScalar? {
        let bytes = Array(text.utf8.prefix(64))
        guard let first = bytes.first, bytes.count < 64, first < 0x80,
            (0x30...0x39).contains(first) || first == UInt8(ascii: "+") || first == UInt8(ascii: "-")
                || first == UInt8(ascii: ".")
        else { return nil }
        if let whole = wholeNumber(text.filter { $0 != "_" }) { return .number(String(whole)) }
        return isFloat(bytes) ? .number(text) : nil
    }

    private static func wholeNumber(_ text: String) -> Int64? {
        let isNegative = text.hasPrefix("-")
        let digits = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard let first = digits.utf8.first, (0x30...0x39).contains(first) else { return nil }
        let prefixed: (prefix: String, radix: Int)? = [("0x", 16), ("0o", 8), ("0b", 2)].first {
            digits.hasPrefix($0.0)
        }
        let body = prefixed.map { digits.dropFirst($0.prefix.count) } ?? digits
        guard body.first != "+", body.first != "-" else { return nil }
        let isOldOctal = prefixed == nil && digits.utf8.count > 1 && first == UInt8(ascii: "0")
        let radix = prefixed?.radix ?? (isOldOctal ? 8 : 10)
        return Int64((isNegative ? "-" : "") + body, radix: radix)
    }

    /// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, or one of the names of infinity and not-a-number.
    private static func isFloat(_ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        func skipDigits() -> Int {
            let count = rest.prefix { (0x30...0x39).contains($0) }.count
            rest = rest.dropFirst(count)
            return count
        }
        func skip(_ characters: String) -> Bool {
            guard let first = rest.first, characters.utf8.contains(first) else { return false }
            rest = rest.dropFirst()
            return true
        }
        _ = skip("+-")
        if [".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"].contains(where: { rest.elementsEqual($0.utf8) }) {
            return true
        }
        let whole = skipDigits()
        let fraction = skip(".") ? skipDigits() : 0
        guard whole + fraction > 0 else { return false }
        if skip("eE") {
            _ = skip("+-")
            guard skipDigits() > 0 else { return false }
        }
        return rest.isEmpty
    }
}
