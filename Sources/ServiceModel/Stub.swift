extension Definitions {
    public init(decoding inputs: [DefinitionInput]) throws(InvalidDefinitions) { self.init() }
}
