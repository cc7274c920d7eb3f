/// A socket that is opened when it is first needed, in the network namespace of the thread that needs it.
struct Opened<Socket: ~Copyable>: ~Copyable {
    private var socket: Socket?

    init() { socket = nil }

    mutating func use<Result, Failure: Error>(
        _ open: () throws(Failure) -> Socket, _ body: (inout Socket) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var opened = if let known = socket.take() { known } else { try open() }
        do {
            let result = try body(&opened)
            socket = consume opened
            return result
        } catch {
            socket = consume opened
            throw error
        }
    }
}
