/// A change of sets, as a line of `ipset restore` is one.
public enum SetOperation: Hashable, Sendable {
    case create(SetSpec)
    case destroy(String)
    case flush(String)
    /// Two sets of the same type and family exchange their contents; rules follow the names.
    case swap(String, String)
    case rename(String, to: String)
    case add(SetElement, to: String)
    case delete(SetElement, from: String)

    /// The set that is changed, the first of two.
    public var set: String {
        switch self {
        case .create(let spec): spec.name
        case .destroy(let set), .flush(let set), .swap(let set, _), .rename(let set, _), .add(_, let set),
            .delete(_, let set):
            set
        }
    }

    /// Why it cannot be done, in a sentence, as far as that is known without asking; nil if it may be.
    public var problem: String? {
        switch self {
        case .create(let spec): spec.problem
        case .destroy(let set), .flush(let set): SetSpec.problem(ofName: set)
        case .swap(let set, let other), .rename(let set, let other):
            SetSpec.problem(ofName: set) ?? SetSpec.problem(ofName: other)
        case .add(let element, _), .delete(let element, _): element.problem
        }
    }

    /// The line of `ipset restore` that does it, without its end.
    public var text: String {
        switch self {
        case .create(let spec): return spec.text
        case .destroy(let set): return "destroy \(set)"
        case .flush(let set): return "flush \(set)"
        case .swap(let set, let other): return "swap \(set) \(other)"
        case .rename(let set, let name): return "rename \(set) \(name)"
        case .add(let element, let set):
            var text: [UInt8] = []
            element.write(adding: set, to: &text)
            return String(decoding: text.dropLast(), as: UTF8.self)
        case .delete(let element, let set): return "del \(set) \(element.text)"
        }
    }
}
