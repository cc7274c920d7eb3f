internal import IPSet
internal import NetAddress
extension SetElement {
    init(_ key: Key, mark: Mark? = nil, comment: String?) { self.init(key, mark: mark) }
    var comment: String? { nil }
}
extension SetSpec {
    init(_ name: String, _ type: SetType, _ family: IPFamily, maxElements: UInt32, withSkbInfo: Bool, withComments: Bool) {
        self.init(name, type, family, maxElements: maxElements, withSkbInfo: withSkbInfo)
    }
}
