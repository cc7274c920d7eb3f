internal import Glibc
public import ServiceModel

/// Reads definitions from files, directories and standard input, once.
public enum DefinitionFiles {
    /// The largest input that is read: larger ones are mistakes, and must not take the node's memory.
    public static let maximumBytes = 256 << 20

    /// Reads every path. `-` is standard input; a directory stands for its `*.json`, `*.yaml` and `*.yml` files by name.
    ///
    /// - Throws: all paths that could not be read, not just the first.
    public static func read(_ paths: [String]) throws(UnreadableInputs) -> [DefinitionInput] {
        var inputs: [DefinitionInput] = []
        var failures: [String] = []
        for path in paths {
            do {
                for file in try files(at: path) { inputs.append(try read(file)) }
            } catch {
                failures.append(error.message)
            }
        }
        if paths.filter({ $0 == "-" }).count > 1 { failures.append("-: standard input can be read only once") }
        guard failures.isEmpty else { throw UnreadableInputs(messages: failures) }
        return inputs
    }

    /// Reads one file, or standard input; a directory cannot be read.
    public static func readFile(_ path: String) throws(UnreadableInputs) -> DefinitionInput {
        do {
            return try read(path)
        } catch {
            throw UnreadableInputs(messages: [error.message])
        }
    }

    struct Failure: Error {
        let message: String
        /// Whether there is nothing at that path.
        var isMissing = false

        init(_ path: String, _ reason: String) { message = "\(path): \(reason)" }

        static func last(_ path: String) -> Failure {
            let number = errno
            var failure = Failure(path, String(cString: strerror(number)))
            failure.isMissing = number == ENOENT || number == ENOTDIR
            return failure
        }
    }

    /// The path itself, or the definition files of a directory in order of their names.
    static func files(at path: String) throws(Failure) -> [String] {
        guard path != "-" else { return [path] }
        var information = stat()
        guard stat(path, &information) == 0 else { throw .last(path) }
        guard information.st_mode & S_IFMT == S_IFDIR else { return [path] }
        guard let directory = opendir(path) else { throw .last(path) }
        defer { closedir(directory) }
        var names: [String] = []
        while true {
            // The end and an error look the same otherwise, and what is missing from a list would be taken away.
            errno = 0
            guard let entry = readdir(directory) else {
                guard errno == 0 else { throw .last(path) }
                break
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { tuple in
                tuple.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            let isDefinition = [".json", ".yaml", ".yml"].contains { name.hasSuffix($0) }
            if isDefinition, !name.hasPrefix(".") { names.append(name) }
        }
        guard !names.isEmpty else {
            var failure = Failure(path, "the directory holds no *.json, *.yaml or *.yml file")
            failure.isMissing = true
            throw failure
        }
        return names.sorted().map { path.hasSuffix("/") ? path + $0 : "\(path)/\($0)" }
    }

    static func read(_ path: String) throws(Failure) -> DefinitionInput {
        let descriptor = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .last(path) }
        defer { close(descriptor) }

        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw .last(path) }
        let isFile = information.st_mode & S_IFMT == S_IFREG
        if isFile, information.st_size > maximumBytes { throw tooLarge(path) }

        var bytes: [UInt8] = []
        var room = isFile ? Int(information.st_size) + 1 : 1 << 16
        while true {
            let count = try append(room, from: descriptor, path, to: &bytes)
            guard count > 0 else { return DefinitionInput(name: path, bytes: bytes) }
            guard bytes.count <= maximumBytes else { throw tooLarge(path) }
            room = isFile ? 1 << 16 : max(1 << 16, min(bytes.count, 1 << 24))
        }
    }

    private static func tooLarge(_ path: String) -> Failure {
        Failure(path, "larger than \(maximumBytes >> 20) MiB, the most that one input may have; split it")
    }

    private static func append(
        _ room: Int, from descriptor: Int32, _ path: String, to bytes: inout [UInt8]
    ) throws(Failure) -> Int {
        var count = 0
        let chunk = [UInt8](unsafeUninitializedCapacity: room) { buffer, initialized in
            repeat { count = Glibc.read(descriptor, buffer.baseAddress, room) } while count < 0 && errno == EINTR
            initialized = max(count, 0)
        }
        guard count >= 0 else { throw .last(path) }
        if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
        return count
    }
}

/// Inputs that could not be read at all.
public struct UnreadableInputs: Error, Hashable, Sendable {
    /// One sentence for each, beginning with the path.
    public let messages: [String]
}

extension UnreadableInputs: CustomStringConvertible {
    public var description: String { messages.joined(separator: "; ") }
}
