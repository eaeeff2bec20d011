export { SimulatorClient, type PeerMessage } from "./control/client.ts";
export { Stats } from "./control/stats.ts";
export { PhoneScenario, Scenario } from "./scenarios/scenario.ts";
export { startSimulator, type Simulator, type SimulatorOptions } from "./start.ts";
