internal import AgentHTTP
internal import NFTables

extension HTTPReply {
    init(_ status: Int, json: JSON, headers: [String: String] = [:]) {
        var bytes: [UInt8] = []
        json.write(to: &bytes)
        bytes.append(UInt8(ascii: "\n"))
        self.init(status, bytes: bytes, contentType: "application/json", headers: headers)
    }
}
