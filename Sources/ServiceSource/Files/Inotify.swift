internal import Glibc

/// The kernel's notices about names in directories (inotify(7)).
struct Inotify: ~Copyable {
    let descriptor: Int32
    /// Paths of directories by watch descriptor.
    private var directories: [Int32: String] = [:]

    init?() {
        // IN_CLOEXEC and IN_NONBLOCK are these (sys/inotify.h).
        descriptor = inotify_init1(O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// One notice.
    struct Event {
        enum Kind {
            /// A file was written to, and its writer is not done.
            case written
            /// A writer is done with a file.
            case closed
            /// A name came, went, or means something else.
            case renamed
            /// Rights changed.
            case attributes
            /// The directory itself went, or notices were lost: anything may have changed.
            case everything
        }

        var kind: Kind
        var directory: String
        var name: String
    }

    private static let mask =
        IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB | IN_DELETE_SELF
        | IN_MOVE_SELF

    /// Watches these directories and no others.
    ///
    /// - Returns: whether anything was watched that was not before, and what could not be watched, with the reason.
    mutating func watch(_ paths: some Sequence<String>) -> (isNew: Bool, failures: [String: String]) {
        var wanted: [Int32: String] = [:]
        var failures: [String: String] = [:]
        for path in paths {
            // A directory that took the place of another one gets a new number, which is why all are asked for again.
            let watch = inotify_add_watch(descriptor, path, UInt32(Self.mask) | UInt32(IN_ONLYDIR))
            if watch >= 0 {
                wanted[watch] = path
            } else if errno != ENOENT, errno != ENOTDIR {
                failures[path] = String(cString: strerror(errno))
            }
        }
        for (watch, _) in directories where wanted[watch] == nil { inotify_rm_watch(descriptor, watch) }
        let isNew = wanted.contains { directories[$0.key] != $0.value }
        directories = wanted
        return (isNew, failures)
    }

    /// All notices that are waiting.
    mutating func read() -> [Event] {
        var events: [Event] = []
        while true {
            var count = 0
            let room = 1 << 16
            let bytes = [UInt8](unsafeUninitializedCapacity: room) { buffer, initialized in
                repeat { count = Glibc.read(descriptor, buffer.baseAddress, room) } while count < 0 && errno == EINTR
                initialized = max(count, 0)
            }
            guard count > 0 else { return events }
            decode(bytes, into: &events)
        }
    }

    /// struct inotify_event: wd, mask, cookie, len, each of 32 bits, and a name filled up with zeros.
    private mutating func decode(_ bytes: [UInt8], into events: inout [Event]) {
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset + 16 <= raw.count {
                let watch = raw.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                let mask = raw.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let length = Int(raw.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                guard offset + 16 + length <= raw.count else { return }
                let name = raw[(offset + 16)..<(offset + 16 + length)].prefix { $0 != 0 }
                add(watch, Int(mask), String(decoding: name, as: UTF8.self), to: &events)
                offset += 16 + length
            }
        }
    }

    private mutating func add(_ watch: Int32, _ mask: Int, _ name: String, to events: inout [Event]) {
        if mask & IN_Q_OVERFLOW != 0 {
            return events.append(Event(kind: .everything, directory: "", name: ""))
        }
        // Notices of a watch that was given up may still be in the queue.
        guard let directory = directories[watch] else { return }
        let kind: Event.Kind
        if mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED) != 0 {
            kind = .everything
            if mask & IN_IGNORED != 0 { directories[watch] = nil }
        } else if mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO) != 0 {
            kind = .renamed
        } else if mask & IN_CLOSE_WRITE != 0 {
            kind = .closed
        } else if mask & IN_MODIFY != 0 {
            kind = .written
        } else {
            kind = .attributes
        }
        events.append(Event(kind: kind, directory: directory, name: name))
    }
}

// The constants of inotify(7) that are macros in C (sys/inotify.h), as numbers that combine.
private let IN_MODIFY = 0x0002
private let IN_ATTRIB = 0x0004
private let IN_CLOSE_WRITE = 0x0008
private let IN_MOVED_FROM = 0x0040
private let IN_MOVED_TO = 0x0080
private let IN_CREATE = 0x0100
private let IN_DELETE = 0x0200
private let IN_DELETE_SELF = 0x0400
private let IN_MOVE_SELF = 0x0800
private let IN_UNMOUNT = 0x2000
private let IN_Q_OVERFLOW = 0x4000
private let IN_IGNORED = 0x8000
private let IN_ONLYDIR = 0x0100_0000
