import DataplaneConformance
import NFTables
import NetAddress
import Testing

@testable import NFTablesBackend

/// Two summaries of many elements show the few that only one of them has.
@Suite struct SketchTests {
    /// Memory for a sketch.
    private final class Memory {
        let words = UnsafeMutableBufferPointer<UInt64>.allocate(capacity: ElementSketch.wordCount)
        init() { words.initialize(repeating: 0) }
        deinit { words.deallocate() }
    }

    private static func item(_ number: Int, port: UInt16 = 80) -> SketchItem {
        var key = ElementKey()
        key.append(IPAddress(ipv6: 0xfd00 << 48, UInt64(number)))
        let value = ElementValue.endpoint(SocketAddress(IPAddress(ipv4: UInt32(number)), port))
        return SketchItem(key, value, of: SetID(.ipv6, .endpoints, number % 7 + 1), seed: 5)
    }

    private static func words(_ items: [SketchItem]) -> Set<[UInt64]> {
        Set(items.map { item in item.words.indices.map { item.words[$0] } })
    }

    @Test(arguments: [0, 1, 2, 100, 5000]) func tellsWhatOneOfThemLacks(count: Int) throws {
        let (mine, other) = (Memory(), Memory())
        let (left, right) = (ElementSketch(mine.words, seed: 5), ElementSketch(other.words, seed: 5))
        for number in 0..<5000 {
            left.add(Self.item(number))
            right.add(Self.item(number))
        }
        // A third only here, a third only there, and a third with another value.
        var expected: [SketchItem] = []
        for number in 0..<count {
            let (old, new) = (Self.item(number), Self.item(100_000 + number))
            switch number % 3 {
            case 0:
                left.add(new)
                expected.append(new)
            case 1:
                left.remove(old)
                expected.append(old)
            default:
                right.remove(old)
                expected.append(old)
            }
        }
        let found = try #require(left.differences(from: right))
        #expect(found.count == count && Self.words(found) == Self.words(expected))
        #expect(found.allSatisfy { $0.element?.set.role == .endpoints && $0.element?.key.length == 16 })
    }

    @Test func anotherValueMakesTwoItemsOfAnElement() throws {
        let (mine, other) = (Memory(), Memory())
        let (left, right) = (ElementSketch(mine.words, seed: 5), ElementSketch(other.words, seed: 5))
        left.add(Self.item(1, port: 80))
        right.add(Self.item(1, port: 81))
        let found = try #require(left.differences(from: right))
        #expect(Set(found.compactMap { $0.element?.key }).count == 1 && found.count == 2)
    }

    @Test func saysThatThereAreTooMany() {
        let (mine, other) = (Memory(), Memory())
        let sketch = ElementSketch(mine.words, seed: 5)
        for number in 0..<20_000 { sketch.add(Self.item(number)) }
        #expect(sketch.differences(from: ElementSketch(other.words, seed: 5))?.count == nil)
    }

    @Test(arguments: 0..<20 as Range<UInt64>) func endsWithAnyWords(seed: UInt64) {
        let (mine, other) = (Memory(), Memory())
        var random = SplitMix64(seed: seed)
        for index in 0..<200 where seed.isMultiple(of: 2) { mine.words[index * 9] = random.next() % 3 }
        for index in mine.words.indices where !seed.isMultiple(of: 2) { mine.words[index] = random.next() % 2 }
        let found = ElementSketch(mine.words, seed: 5).differences(from: ElementSketch(other.words, seed: 5))
        #expect(found?.count == nil)
    }
}
