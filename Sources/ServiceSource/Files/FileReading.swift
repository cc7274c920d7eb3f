internal import Glibc
internal import ServiceModel

/// What was found at the paths of a file source at one moment.
struct FileReading {
    /// One path that the user named.
    struct Root {
        var path: String
        /// The files there, in order of their names; one for a path that is a file.
        var documents: [Document] = []
        /// Why the path could not be looked at.
        var failure: DefinitionFiles.Failure?
    }

    struct Document {
        var path: String
        var content: Content
    }

    enum Content {
        case bytes([UInt8])
        case unreadable(String)
        /// A writer has it open: what can be read may be half of what it will be.
        case beingWritten
    }

    var roots: [Root] = []
    /// Whether it is what the reading before it was, byte for byte, with nothing that could not be read in either.
    var isAsBefore = false
}

/// Reads the files of a source, each again only if it may have changed.
struct FileReader {
    let paths: [String]
    private var known: [String: (signature: FileSignature, bytes: [UInt8])] = [:]
    /// The paths of the last reading's documents; nil if not all of it could be read.
    private var knownPaths: [[String]]?

    init(paths: [String]) { self.paths = paths }

    /// Every directory and name that a reading depends on.
    func watchPlan() -> WatchPlan {
        var plan = WatchPlan()
        for path in paths {
            guard let target = plan.follow(path) else { continue }
            var information = stat()
            guard stat(target, &information) == 0, information.st_mode & S_IFMT == S_IFDIR else { continue }
            plan.addAll(in: target)
            for file in (try? DefinitionFiles.files(at: path)) ?? [] { _ = plan.follow(file) }
        }
        return plan
    }

    /// - Parameter isBeingWritten: whether a writer has the file open that is at a path without links.
    mutating func read(isBeingWritten: (String) -> Bool) -> FileReading {
        var reading = FileReading()
        var read: [String: (signature: FileSignature, bytes: [UInt8])] = [:]
        var isSound = true
        for path in paths {
            var root = FileReading.Root(path: path)
            do {
                for file in try DefinitionFiles.files(at: path) {
                    root.documents.append(.init(path: file, content: content(of: file, isBeingWritten, into: &read)))
                }
            } catch {
                root.failure = error
            }
            isSound = isSound && root.failure == nil
            reading.roots.append(root)
        }
        let paths = reading.roots.map { $0.documents.map(\.path) }
        isSound = isSound && paths.allSatisfy { $0.allSatisfy { read[$0] != nil } }
        reading.isAsBefore =
            isSound && paths == knownPaths && read.allSatisfy { known[$0.key]?.bytes == $0.value.bytes }
        knownPaths = isSound ? paths : nil
        known = read
        return reading
    }

    private func content(
        of path: String, _ isBeingWritten: (String) -> Bool,
        into read: inout [String: (signature: FileSignature, bytes: [UInt8])]
    ) -> FileReading.Content {
        var plan = WatchPlan()
        if let target = plan.follow(path), isBeingWritten(target) { return .beingWritten }
        let signature = FileSignature(of: path)
        // To open a pipe is to wait for somebody who writes to it, perhaps for ever.
        if let signature, !signature.isRegular { return .unreadable("it is not a regular file") }
        if let signature, let known = known[path], known.signature == signature, known.signature.isSettled {
            read[path] = known
            return .bytes(known.bytes)
        }
        do {
            let bytes = try DefinitionFiles.read(path).bytes
            if let signature { read[path] = (signature, bytes) }
            return .bytes(bytes)
        } catch {
            return .unreadable(String(error.message.dropFirst(path.count + 2)))
        }
    }
}

/// What changes whenever a file's content does.
private struct FileSignature: Equatable {
    private let numbers: [Int64]
    /// Whether the file had not been touched for two seconds when it was looked at. Clocks of file systems are coarse:
    /// a file may change after it was read and within the same tick.
    let isSettled: Bool
    let isRegular: Bool

    init?(of path: String) {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        numbers = [
            Int64(bitPattern: UInt64(information.st_dev)), Int64(bitPattern: UInt64(information.st_ino)),
            Int64(information.st_size), Int64(information.st_mtim.tv_sec), Int64(information.st_mtim.tv_nsec),
            Int64(information.st_ctim.tv_sec), Int64(information.st_ctim.tv_nsec),
        ]
        isRegular = information.st_mode & S_IFMT == S_IFREG
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        isSettled = now.tv_sec - information.st_ctim.tv_sec > 2
    }

    static func == (left: FileSignature, right: FileSignature) -> Bool { left.numbers == right.numbers }
}
