internal import ArgumentParser
internal import EtcdSource

/// How to prove to etcd who we are, and how to know etcd.
struct EtcdCredentialOptions: ParsableArguments {
    @Option(help: "The user to authenticate as in etcd.")
    var etcdUser: String?

    @Option(help: ArgumentHelp("The file with the user's password.", valueName: "file"))
    var etcdPasswordFile: String?

    @Option(
        help: ArgumentHelp(
            "The certificates, in PEM, one of which signed etcd's. Default: the system's.", valueName: "file"))
    var etcdCa: String?

    @Option(help: ArgumentHelp("Our own certificate in PEM, for etcd to know us by.", valueName: "file"))
    var etcdCert: String?

    @Option(help: ArgumentHelp("The private key of our certificate in PEM.", valueName: "file"))
    var etcdKey: String?

    var credentials: EtcdCredentials {
        EtcdCredentials(
            user: etcdUser, passwordFile: etcdPasswordFile, authorityFile: etcdCa, certificateFile: etcdCert,
            keyFile: etcdKey)
    }

    func validate() throws {
        if let contradiction = credentials.contradiction { throw ValidationError("etcd: \(contradiction)") }
    }
}

/// Where etcd is, for commands that read and write it.
struct EtcdOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            """
            The members of the etcd cluster, comma-separated, and the prefix of the keys, which is /svcctl by default. \
            (default: \(EtcdArgument(.local)))
            """,
            valueName: "url[,url][/prefix]"), transform: EtcdArgument.init)
    var etcd = EtcdArgument(.local)

    @OptionGroup var access: EtcdCredentialOptions

    /// Asks the cluster something, and ends the connections.
    @discardableResult
    func ask<Output: Sendable>(_ body: (EtcdConnection, KeyLayout) async throws -> Output) async throws -> Output {
        let cluster = EtcdCluster(etcd.location, credentials: access.credentials)
        do {
            let output = try await cluster.ask { try await body($0, cluster.layout) }
            await cluster.close()
            return output
        } catch {
            await cluster.close()
            throw error
        }
    }
}

/// `URL[,URL][/PREFIX]` on the command line.
struct EtcdArgument: CustomStringConvertible {
    let location: EtcdLocation

    init(_ text: String) throws {
        do {
            location = try EtcdLocation(text)
        } catch {
            throw ValidationError("\(error)")
        }
    }

    init(_ location: EtcdLocation) { self.location = location }

    var description: String { String(location.description.dropFirst("etcd:".count)) }
}
