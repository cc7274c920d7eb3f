/// How to prove to etcd who we are, and how to know etcd. Files are read anew for each connection, so that what was
/// renewed is taken up.
public struct EtcdCredentials: Hashable, Sendable {
    public var user: String?
    /// The path of a file with the password; one line end behind it does not count.
    public var passwordFile: String?
    /// The path of the certificates, in PEM, one of which must have signed etcd's; nil for those of the system.
    public var authorityFile: String?
    /// The path of our own certificate in PEM, with those between it and the authority's behind it.
    public var certificateFile: String?
    /// The path of its private key in PEM.
    public var keyFile: String?

    public init(
        user: String? = nil, passwordFile: String? = nil, authorityFile: String? = nil, certificateFile: String? = nil,
        keyFile: String? = nil
    ) {
        self.user = user
        self.passwordFile = passwordFile
        self.authorityFile = authorityFile
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    /// What does not go together, in words; nil if all does.
    public var contradiction: String? {
        if (user == nil) != (passwordFile == nil) { return "a user and a password file need each other" }
        if (certificateFile == nil) != (keyFile == nil) { return "a certificate and a key need each other" }
        return nil
    }
}

/// How patient a source is. The defaults are right but for tests.
public struct EtcdTiming: Hashable, Sendable {
    /// How long one request may be without an answer, or an answer without another part.
    public var request: Duration = .seconds(5)
    /// How long a watch may say nothing until it is asked whether etcd is still there and has moved on.
    public var silence: Duration = .seconds(10)
    /// The first pause after all members failed; it doubles up to the longest one. Half of each is left to chance.
    public var firstPause: Duration = .milliseconds(100)
    public var longestPause: Duration = .seconds(10)
    /// After an update the next one waits this long, so that a burst becomes one change. What comes after a quiet time
    /// does not wait.
    public var gap: Duration = .milliseconds(2)
    /// How many keys are read at once.
    public var page = 500

    public init() {}
}
