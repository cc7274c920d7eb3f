import CSandbox
import Foundation
import Glibc
import NetAddress
import ServiceModel
import ServiceSource
import Testing

@Suite(.timeLimit(.minutes(5)))
struct FileSourceTests {
    @Test func onlyWhatDiffersIsHandedOut() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1, "b": 2]), to: "s.json")
        var reader = Reader(FileSource(folder["s.json"]))
        try await reader.wait(for: ["a": 1, "b": 2])
        #expect(reader.last.state.isCurrent)
        try folder.replace("s.json", with: document(["a": 1, "b": 3, "c": 4]))
        try await reader.wait(for: ["a": 1, "b": 3, "c": 4])
        #expect(Set(reader.last.changes.keys.map(\.name)) == ["b", "c"])
        try folder.replace("s.json", with: document(["a": 1]))
        try await reader.wait(for: ["a": 1])
        #expect(reader.last.changes.count == 2)
        #expect(reader.last.changes.values.allSatisfy { $0 == nil })
    }

    /// A file that a program has open is left alone, even where half of it is valid.
    @Test func truncateAndWriteInSteps() async throws {
        let folder = try Folder()
        let half = "services:\n- {name: shop/a, clusterIPs: [10.96.0.1], ports: [{port: 80}]}\n"
        let whole = half + "- {name: shop/b, clusterIPs: [10.96.0.2], ports: [{port: 80}]}\n"
        try folder.write(whole, to: "s.yaml")
        try folder.write(document(["other": 3]), to: "other.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1, "b": 2, "other": 3])

        let descriptor = open(folder["s.yaml"], O_WRONLY | O_TRUNC)
        #expect(write(descriptor, half, half.utf8.count) == half.utf8.count)
        try folder.write(document(["other": 4]), to: "other.json")
        try await reader.wait { $0.services["other"] == "10.96.0.4" }
        #expect(reader.services["b"] == "10.96.0.2")
        try await reader.wait { $0.last.findings.contains { $0.message.contains("a program is writing it") } }
        let rest = "- {name: shop/c, clusterIPs: [10.96.0.5], ports: [{port: 80}]}\n"
        #expect(write(descriptor, rest, rest.utf8.count) == rest.utf8.count)
        close(descriptor)
        try await reader.wait(for: ["a": 1, "c": 5, "other": 4])
        #expect(reader.last.findings.isEmpty)
    }

    /// What inotify does not tell of, such as a write under another name, is seen all the same while something is wrong.
    @Test func looksAgainWhileSomethingIsWrong() async throws {
        let (folder, elsewhere) = (try Folder(), try Folder())
        try folder.write("no definitions", to: "s.json")
        try #require(link(folder["s.json"], elsewhere["other"]) == 0)
        var source = FileSource(folder.path)
        source.secondLook = .milliseconds(50)
        var reader = Reader(source)
        try await reader.wait { $0.last.state.problem?.kind == .invalid }
        try elsewhere.write(document(["a": 1]), to: "other")
        try await reader.wait(for: ["a": 1])
        #expect(reader.last.state.isCurrent)
    }

    /// Nothing need be wrong for that: a file that a container gets by itself is written to under another name.
    @Test func looksAgainNowAndThen() async throws {
        let (folder, elsewhere) = (try Folder(), try Folder())
        try folder.write(document(["a": 1]), to: "s.json")
        try #require(link(folder["s.json"], elsewhere["other"]) == 0)
        var source = FileSource(folder.path)
        source.secondLook = .milliseconds(50)
        var reader = Reader(source)
        try await reader.wait(for: ["a": 1])
        for number in 2..<5 {
            try elsewhere.write(document(["a": number]), to: "other")
            try await reader.wait(for: ["a": number])
        }
        #expect(reader.updates.count == 4)
    }

    /// A directory whose list breaks off has not lost the files that are not in it.
    @Test func directoryThatCannotBeListed() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        let path = folder.path
        let messages = try await onOwnThread { () -> [String] in
            guard thread_forbid_lists(EIO) == 0 else { throw POSIXError(.ENOSYS) }
            do {
                _ = try DefinitionFiles.read([path])
                return []
            } catch let error as UnreadableInputs {
                return error.messages
            }
        }
        #expect(messages == ["\(path): \(String(cString: strerror(EIO)))"])
    }

    /// A pipe among the files does not hold the others up.
    @Test func pipesAreNotRead() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1])
        try #require(mkfifo(folder["b.json"], 0o600) == 0)
        try await reader.wait { $0.last.findings.contains { $0.message.contains("not a regular file") } }
        try folder.replace("a.json", with: document(["a": 2]))
        try await reader.wait(for: ["a": 2])
    }

    @Test func invalidThenMended() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        try folder.write(document(["b": 2]), to: "b.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1, "b": 2])

        try folder.write(document(["a": 9]) + "}", to: "a.json")
        try await reader.wait { !$0.last.findings.isEmpty }
        try folder.write(document(["b": 3]), to: "b.json")
        try await reader.wait(for: ["a": 1, "b": 3])
        let finding = try #require(reader.last.findings.first)
        #expect(finding.document == folder["a.json"])
        #expect(finding.severity == .error)
        #expect(finding.message.hasPrefix("1:"))

        try folder.write(document(["a": 9]), to: "a.json")
        try await reader.wait(for: ["a": 9, "b": 3])
        #expect(reader.last.findings.isEmpty)
    }

    /// Until all is good once, nothing is complete, and nothing may be written.
    @Test func invalidAtTheStart() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        try folder.write("{", to: "b.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait { $0.last.state.loadingKind == .invalid }
        #expect(reader.services.isEmpty)
        #expect(reader.last.findings.map(\.document) == [folder["b.json"]])
        try folder.write(document(["b": 2]), to: "b.json")
        try await reader.wait(for: ["a": 1, "b": 2])
        #expect(reader.last.state.isCurrent)
    }

    @Test func filesComeAndGo() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1])
        try folder.write(document(["b": 2]), to: "b.yml")
        try folder.write("not a definition", to: "README")
        try await reader.wait(for: ["a": 1, "b": 2])
        try folder.delete("a.json")
        try await reader.wait(for: ["b": 2])
        try folder.delete("b.yml")
        // An empty directory may be a file system that is not mounted.
        try await reader.wait { $0.last.state.staleKind == .missing }
        #expect(reader.services == ["b": "10.96.0.2"])
        try folder.write(#"{"services": []}"#, to: "none.json")
        try await reader.wait(for: [:])
        #expect(reader.last.state.isCurrent)
    }

    @Test func directoryRemovedAndMadeAgain() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 1]), to: "a.json")
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1])
        folder.remove()
        try await reader.wait { $0.last.state.staleKind == .missing }
        #expect(reader.services == ["a": "10.96.0.1"])
        #expect(reader.last.state.problem?.message.contains(folder.path) == true)
        try folder.make()
        try folder.write(document(["a": 2]), to: "a.json")
        try await reader.wait(for: ["a": 2])
        try await reader.wait { $0.last.state.isCurrent }
        try folder.replace("a.json", with: document(["a": 3]))
        try await reader.wait(for: ["a": 3])
    }

    /// A directory that is swapped for another one by renaming, several levels above the file.
    @Test func directoryAboveSwapped() async throws {
        let folder = try Folder()
        for (name, number) in ["live/deep": 1, "next/deep": 2] {
            try FileManager.default.createDirectory(atPath: folder[name], withIntermediateDirectories: true)
            try folder.write(document(["a": number]), to: "\(name)/s.json")
        }
        var reader = Reader(FileSource(folder["live/deep/s.json"]))
        try await reader.wait(for: ["a": 1])
        #expect(rename(folder["live"], folder["old"]) == 0)
        #expect(rename(folder["next"], folder["live"]) == 0)
        try await reader.wait(for: ["a": 2])
        // What happens in the old one concerns nobody.
        try folder.write(document(["a": 9]), to: "old/deep/s.json")
        try folder.write(document(["a": 3]), to: "live/deep/s.json")
        try await reader.wait(for: ["a": 3])
        #expect(!reader.updates.contains { $0.changes.values.contains { $0 == service("a", 9) } })
    }

    /// As kubelet updates a mounted ConfigMap: a new directory, and a link that is swapped; both for the directory as a
    /// source and for one file in it.
    @Test(arguments: ["", "s.json"]) func swappedLinks(path: String) async throws {
        let folder = try Folder()
        func make(_ version: String, _ number: Int) throws {
            try FileManager.default.createDirectory(atPath: folder[version], withIntermediateDirectories: true)
            try folder.write(document(["a": number]), to: "\(version)/s.json")
            try folder.link("..data_tmp", to: version)
            guard rename(folder["..data_tmp"], folder["..data"]) == 0 else { throw POSIXError(.EIO) }
        }
        try make("..1", 1)
        try folder.link("s.json", to: "..data/s.json")
        var reader = Reader(FileSource(folder[path]))
        try await reader.wait(for: ["a": 1])
        for number in 2...4 {
            try make("..\(number)", number)
            try folder.delete("..\(number - 1)")
            try await reader.wait(for: ["a": number])
        }
        #expect(reader.last.findings.isEmpty)
    }

    /// A link to a file elsewhere, which is replaced there.
    @Test func linkToAnotherDirectory() async throws {
        let (folder, elsewhere) = (try Folder(), try Folder())
        try elsewhere.write(document(["a": 1]), to: "real.json")
        try folder.link("s.json", to: elsewhere["real.json"])
        var reader = Reader(FileSource(folder.path))
        try await reader.wait(for: ["a": 1])
        try elsewhere.replace("real.json", with: document(["a": 2]))
        try await reader.wait(for: ["a": 2])
        try elsewhere.delete("real.json")
        try await reader.wait { !$0.last.findings.isEmpty }
        #expect(reader.services == ["a": "10.96.0.2"])
    }

    @Test func notThereAtTheStart() async throws {
        let folder = try Folder()
        folder.remove()
        var reader = Reader(FileSource(folder["s.json"]))
        try await reader.wait { $0.last.state.loadingKind == .missing }
        #expect(!reader.last.isComplete)
        try folder.make()
        try folder.write(document(["a": 1]), to: "s.json")
        try await reader.wait(for: ["a": 1])
    }

    /// However often a file is written, a reader that is busy gets one update.
    @Test func manyWritesAreOneUpdate() async throws {
        let folder = try Folder()
        try folder.write(document(["a": 0]), to: "s.json")
        var reader = Reader(FileSource(folder["s.json"]))
        try await reader.wait(for: ["a": 0])
        for number in 1...200 { try folder.replace("s.json", with: document(["a": number])) }
        try await reader.wait(for: ["a": 200])
        #expect(reader.updates.count < 100)
        #expect(reader.updates.allSatisfy { $0.findings.isEmpty })
    }

    /// A service and its endpoints from different files.
    @Test func kubernetesObjectsInSeveralFiles() async throws {
        let folder = try Folder()
        let service = """
            {apiVersion: v1, kind: Service, metadata: {name: a, namespace: shop},
             spec: {clusterIP: 10.96.0.1, ports: [{port: 80}]}}
            """
        func slice(_ address: String) -> String {
            """
            {apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, ports: [{name: "", port: 8080}],
             metadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: a}},
             endpoints: [{addresses: [\(address)]}]}
            """
        }
        try folder.write("---\n" + service, to: "service.yaml")
        try folder.write("---\n" + slice("10.0.0.1"), to: "slice.yaml")
        var reader = Reader(FileSource(folder["service.yaml"], folder["slice.yaml"]))
        try await reader.wait(for: ["a": 1])
        #expect(reader.last.changes.values.first??.endpoints.map(\.address.description) == ["10.0.0.1"])
        try folder.replace("slice.yaml", with: "---\n" + slice("10.0.0.2"))
        try await reader.next()
        #expect(reader.last.changes.values.first??.endpoints.map(\.address.description) == ["10.0.0.2"])
    }
}
