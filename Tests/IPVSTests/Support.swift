import DataplaneTestKit
import IPVS
import NetAddress
import Netlink
import Testing

func ip(_ text: String) -> IPAddress { IPAddress(text) ?? IPAddress(ipv4: 0) }

/// What of IPVS the tests can use here.
enum IPVSSupport {
    case usable
    case noModule
    /// In a user namespace of one's own.
    case noPrivilege
    case noNamespaces

    static let here: IPVSSupport = {
        guard let namespace = try? NetworkNamespace("probe") else { return .noNamespaces }
        return
            (try? namespace.run {
                do throws(NetlinkError) {
                    var socket = try IPVSSocket()
                    _ = try socket.information()
                    return IPVSSupport.usable
                } catch {
                    return error.isPermission ? .noPrivilege : .noModule
                }
            }) ?? .noNamespaces
    }()
}

/// Tests with a real kernel run one after another: what is done to IPVS in one namespace makes the kernel lose its place
/// in the lists of all others, also those that the stock tool reads.
@Suite(.serialized, .enabled(if: IPVSSupport.here == .usable, "needs ip_vs, and CAP_NET_ADMIN of the machine"))
struct WithKernel {}

/// A batch that is written while it is made.
func batch(_ write: (inout IPVSBatch) -> Void) -> IPVSBatch {
    var batch = IPVSBatch()
    write(&batch)
    return batch
}

extension NetworkNamespace {
    /// Sends a batch from a socket of its own, by way of pieces of a size.
    func send(_ batch: IPVSBatch, pieceBytes: Int = 64 * 1024) throws -> [Refusal] {
        try run {
            var socket = try IPVSSocket()
            socket.pieceBytes = pieceBytes
            return try socket.send(batch)
        }
    }

    /// Everything that is configured.
    func servers() throws -> [VirtualServer: Set<RealServer>] {
        try run {
            var socket = try IPVSSocket()
            var servers: [VirtualServer: Set<RealServer>] = [:]
            for status in try socket.virtualServers() {
                servers[status.server] = Set(try socket.realServers(of: status.server.id).map(\.server))
            }
            return servers
        }
    }
}
