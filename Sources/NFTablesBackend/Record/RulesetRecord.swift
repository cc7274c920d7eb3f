internal import Glibc
internal import Synchronization

/// A file that says what elements our tables had at one generation of the ruleset, as a sketch: as long as the kernel is
/// still at that generation, nobody has changed them since, and they need not be read.
///
/// The file is mapped into memory, so that a change costs no call, and what is written stays whenever the process ends. It
/// is of no use after the machine has been started again, or in another network namespace, and says of which it is.
struct RulesetRecord: ~Copyable {
    private let words: UnsafeMutableBufferPointer<UInt64>
    let sketch: ElementSketch

    /// The words in front of the sketch.
    private enum Place {
        static let format = 0
        static let seed = 1
        static let generation = 2
        static let namespace = 3
        static let boot = 4
        static let sketch = 16
    }

    private static var byteCount: Int { (Place.sketch + ElementSketch.wordCount) * MemoryLayout<UInt64>.size }

    /// Opens a record or makes an empty one, which nobody else may be able to write to; nil if that cannot be done.
    ///
    /// - Parameter namespace: the cookie of the network namespace.
    init?(path: String, namespace: UInt64) {
        guard let boot = Self.bootID(), let memory = Self.map(path) else { return nil }
        words = memory
        var header: [UInt64] = [Self.format, 0, 0, namespace] + boot
        header += Array(repeating: 0, count: Place.sketch - header.count)
        let isOurs = (0..<Place.sketch).allSatisfy {
            $0 == Place.seed || $0 == Place.generation || memory[$0] == header[$0]
        }
        if !isOurs {
            memory[Place.generation] = 0
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            header[Place.seed] = .random(in: .min ... .max)
            memory.update(repeating: 0)
            for (place, word) in header.enumerated() { memory[place] = word }
        }
        sketch = ElementSketch(
            UnsafeMutableBufferPointer(rebasing: memory[Place.sketch...]), seed: memory[Place.seed])
    }

    deinit { munmap(words.baseAddress, Self.byteCount) }

    /// The generation of the ruleset at which the kernel had what the sketch says; nil while nobody knows. The sketch is
    /// changed only in between.
    var generation: UInt32? {
        get {
            let word = words[Place.generation]
            return word >> 32 == 1 ? UInt32(truncatingIfNeeded: word) : nil
        }
        nonmutating set {
            // Whenever the process ends, what is there is true.
            atomicMemoryFence(ordering: .sequentiallyConsistent)
            words[Place.generation] = newValue.map { 1 << 32 | UInt64($0) } ?? 0
            atomicMemoryFence(ordering: .sequentiallyConsistent)
        }
    }

    /// What the words mean, which changes with the numbers of our sets' roles, and with which of them are noted.
    private static var format: UInt64 {
        var digest = Digest(seed: 1)
        digest.add(UInt64(ElementSketch.wordCount))
        for role in SetID.Role.allCases where role.isRecorded {
            digest.add(UInt64(role.rawValue))
            digest.add(role.stem)
        }
        return digest.value
    }

    /// The kernel's number of this run of the machine, as text.
    private static func bootID() -> [UInt64]? {
        let descriptor = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var text: [UInt64] = [0, 0, 0, 0, 0]
        let count = text.withUnsafeMutableBytes { Glibc.read(descriptor, $0.baseAddress, $0.count) }
        return count >= 36 ? text : nil
    }

    private static func map(_ path: String) -> UnsafeMutableBufferPointer<UInt64>? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o600)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        // One with two names may be something else, which somebody has put here to see it overwritten.
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1,
            status.st_uid == geteuid(), status.st_mode & 0o022 == 0
        else { return nil }
        if Int(status.st_size) != byteCount, ftruncate(descriptor, 0) != 0 { return nil }
        // Memory without a place in the file system would end the process when it is written to.
        guard posix_fallocate(descriptor, 0, off_t(byteCount)) == 0,
            let memory = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), memory != MAP_FAILED
        else { return nil }
        return UnsafeMutableBufferPointer(
            start: memory.assumingMemoryBound(to: UInt64.self), count: byteCount / MemoryLayout<UInt64>.size)
    }
}
