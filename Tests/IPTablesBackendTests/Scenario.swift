import DataplaneConformance
import IPTablesBackend

typealias Scenario = DefinitionScenario<IPTablesBackend>

/// Definitions that between them use every chain and rule of the layout.
enum Scenarios {
    static let all: [Scenario] = {
        let node = SampleServices.nodeWithInterfaces
        return Scenario.everyNode + [
            Scenario("weights, and pods by interface", Desired(services: SampleServices.weighted, node: node)),
            Scenario("lists and limits", Desired(services: SampleServices.limited, node: node)),
            Scenario("affinity", Desired(services: SampleServices.sticky, node: node)),
        ]
    }()
}
