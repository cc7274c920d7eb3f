internal import Glibc

/// Which directories to watch, and for which names in them, to notice whatever changes what is at a path.
///
/// A path leads through directories and symbolic links, and each step is a look-up of a name in a directory. Watching
/// all of them notices a renamed file, a swapped link (which is how Kubernetes updates a mounted ConfigMap), and a
/// directory that goes and comes back.
struct WatchPlan: Equatable {
    /// Directories, by paths without links; nil for all names in them.
    private(set) var names: [String: Set<String>?] = [:]

    mutating func add(_ name: String, in directory: String) {
        switch names[directory] {
        case .none: names[directory] = [name]
        case .some(.none): break
        case .some(.some(var set)):
            set.insert(name)
            names[directory] = set
        }
    }

    mutating func addAll(in directory: String) { names[directory] = .some(nil) }

    func wants(_ name: String, in directory: String) -> Bool {
        switch names[directory] {
        case .none: false
        case .some(.none): true
        case .some(.some(let set)): set.contains(name)
        }
    }

    /// Follows a path step by step, and adds each of them.
    ///
    /// - Returns: where it leads, without links; nil if it leads nowhere.
    mutating func follow(_ path: String) -> String? {
        var rest = Array(Self.steps(of: path).reversed())
        var current = ""
        if !path.hasPrefix("/") { rest += Self.steps(of: Self.workingDirectory).reversed() }
        // As many links as Linux follows (MAXSYMLINKS, linux/namei.h).
        var links = 0
        while let step = rest.popLast() {
            if step == ".." {
                current = String(current[..<(current.lastIndex(of: "/") ?? current.startIndex)])
                continue
            }
            add(step, in: current.isEmpty ? "/" : current)
            let next = "\(current)/\(step)"
            var information = stat()
            guard lstat(next, &information) == 0 else { return nil }
            guard information.st_mode & S_IFMT == S_IFLNK else {
                current = next
                continue
            }
            links += 1
            guard links <= 40, let target = Self.target(of: next) else { return nil }
            rest += Self.steps(of: target).reversed()
            if target.hasPrefix("/") { current = "" }
        }
        return current.isEmpty ? "/" : current
    }

    private static func steps(of path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }

    private static var workingDirectory: String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return "/" }
        return text(buffer[...])
    }

    private static func target(of link: String) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink(link, &buffer, buffer.count)
        return count > 0 ? text(buffer.prefix(count)) : nil
    }

    private static func text(_ bytes: ArraySlice<CChar>) -> String {
        String(decoding: bytes.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
