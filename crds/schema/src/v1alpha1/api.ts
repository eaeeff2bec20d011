/** The API group of all three kinds; also the prefix of every label, annotation and finalizer. */
export const group = "whatsapp-operator.io";
export const version = "v1alpha1";
export const apiVersion = `${group}/${version}` as const;

/** What `kubectl` calls the kinds, and what the CRD generator prints. */
export const kinds = {
  device: { kind: "WhatsAppDevice", plural: "whatsappdevices", singular: "whatsappdevice", shortNames: ["wad"] },
  pool: { kind: "EgressPool", plural: "egresspools", singular: "egresspool", shortNames: ["egp"] },
  endpoint: { kind: "EgressEndpoint", plural: "egressendpoints", singular: "egressendpoint", shortNames: ["ege"] },
} as const;
