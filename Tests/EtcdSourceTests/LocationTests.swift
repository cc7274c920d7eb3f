import EtcdSource
import Testing

struct LocationTests {
    @Test(arguments: [
        ("etcd:http://10.0.0.1:2379", ["http://10.0.0.1:2379"], "/svcctl"),
        ("https://a:1,b:2,c/x/y/", ["https://a:1", "https://b:2", "https://c:2379"], "/x/y"),
        ("http://a:1,http://b:2/x", ["http://a:1", "http://b:2"], "/x"),
        ("http://[fd00::1]:2379,[fd00::2]/", ["http://[fd00::1]:2379", "http://[fd00::2]:2379"], "/svcctl"),
    ])
    func good(text: String, members: [String], prefix: String) throws {
        let location = try EtcdLocation(text)
        #expect(location.members == members)
        #expect(location.prefix == prefix)
        #expect(location.isSecure == text.contains("https"))
        #expect(try EtcdLocation(location.description) == location)
    }

    @Test(arguments: [
        "", "etcd:", "10.0.0.1:2379", "ftp://a:1", "http://", "http://:1", "http://a:0", "http://a:65536", "http://a:x",
        "http://a:1,", "http://a:1,https://b:2", "http://a:1//x", "http://a:1/x?y", "http://user@a:1", "http://a b:1",
    ])
    func bad(text: String) {
        #expect(throws: EtcdLocationError.self) { try EtcdLocation(text) }
    }
}
