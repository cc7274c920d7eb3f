extension ConformanceTest {
    /// Many definitions at once, against the oracle alone: what the checklist does not go through one by one.
    public static let scenarios: [ConformanceTest] =
        policyMatrix + topology + sourceRanges + nodePorts + kubernetesObjects + sequences
}
