/// A number of things as people read it: `1 service`, `2 services`.
///
/// - Parameter many: the plural, where it is not the noun with an s.
public func counted(_ count: Int, _ noun: String, _ many: String? = nil) -> String {
    "\(count) \(count == 1 ? noun : many ?? noun + "s")"
}
