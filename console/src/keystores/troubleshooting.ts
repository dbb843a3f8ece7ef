/** Causes and repairs, after "Troubleshooting a custom key store" of the AWS KMS Developer Guide. */

/** What a button of a repair step does. */
export type Repair =
  | "disconnect" | "connect" | "edit" | "edit-password" | "edit-cluster"
  | "cluster" | "users" | "backups" | "chaos" | "runbook";

export interface Step {
  text: string;
  repair?: Repair;
}

export interface Cause {
  cause: string;
  steps: Step[];
}

const DISCONNECT: Step = { text: "Disconnect the key store: a FAILED key store can be edited and connected only after that.", repair: "disconnect" };
const CONNECT: Step = { text: "Connect the key store.", repair: "connect" };
const PASSWORD: Step = { text: "Tell KMS the current password of kmsuser: edit the key store.", repair: "edit-password" };
const SUBSTITUTE: Step = { text: "Edit the key store: its cluster ID becomes the one of the new cluster.", repair: "edit-cluster" };
const RESTORE: Step = { text: "Create a cluster from a recent backup and give it two HSMs in different Availability Zones. Do not initialize or activate it.", repair: "backups" };

export const CAUSES: Record<string, Cause> = {
  CLUSTER_NOT_FOUND: {
    cause: "KMS cannot find the cluster with the key store's cluster ID. It was deleted, and no other took its place.",
    steps: [RESTORE, DISCONNECT, SUBSTITUTE, CONNECT],
  },
  INSUFFICIENT_CLOUDHSM_HSMS: {
    cause: "The cluster has no active HSM. To connect, it needs at least one.",
    steps: [{ text: "Add an HSM to the cluster, or mend those it has.", repair: "cluster" }, DISCONNECT, CONNECT],
  },
  INSUFFICIENT_FREE_ADDRESSES_IN_SUBNET: {
    cause: "A private subnet of the cluster has no free IP address. KMS needs one in each subnet; two are better.",
    steps: [
      { text: "Free addresses in the subnet (in the simulator: undo fill-subnet), or restore the cluster into larger subnets.", repair: "chaos" },
      DISCONNECT,
      CONNECT,
    ],
  },
  INTERNAL_ERROR: {
    cause: "KMS could not complete the request because of an internal error.",
    steps: [{ text: "Look whether a fault was injected.", repair: "chaos" }, DISCONNECT, CONNECT],
  },
  INVALID_CREDENTIALS: {
    cause: "The password that KMS has is not the present password of the kmsuser crypto user in the cluster.",
    steps: [
      DISCONNECT,
      { text: "Find out the password of kmsuser, or have an admin of the cluster change it.", repair: "users" },
      PASSWORD,
      CONNECT,
    ],
  },
  NETWORK_ERRORS: {
    cause: "Network errors prevent KMS from reaching the cluster.",
    steps: [
      { text: "Look for broken links and at the rules of the cluster's security group.", repair: "chaos" },
      DISCONNECT,
      { text: "Wait some minutes, then connect the key store.", repair: "connect" },
    ],
  },
  SUBNET_NOT_FOUND: {
    cause: "A subnet in the cluster's configuration was deleted.",
    steps: [RESTORE, DISCONNECT, SUBSTITUTE, CONNECT],
  },
  USER_LOCKED_OUT: {
    cause: "kmsuser is locked out of the cluster after five wrong passwords.",
    steps: [
      DISCONNECT,
      { text: "Have an admin of the cluster change the password of kmsuser; nothing else unlocks it.", repair: "users" },
      PASSWORD,
      CONNECT,
    ],
  },
  USER_LOGGED_IN: {
    cause: "Somebody is logged in to the cluster as kmsuser, so KMS cannot rotate its password.",
    steps: [
      { text: "Log kmsuser out of the cluster (CloudHSM CLI: logout).", repair: "users" },
      DISCONNECT,
      { text: "If the password was changed meanwhile, tell KMS the new one.", repair: "edit-password" },
      CONNECT,
    ],
  },
  USER_NOT_FOUND: {
    cause: "There is no crypto user named kmsuser in the cluster: it was deleted, or the cluster comes from an older backup.",
    steps: [
      { text: "Have an admin create the crypto user kmsuser in the cluster.", repair: "users" },
      DISCONNECT,
      PASSWORD,
      CONNECT,
    ],
  },
};

/** What helps against an exception. */
export const FIXES: Record<string, string> = {
  CustomKeyStoreInvalidStateException:
    "Look at the Status of the key store. To edit or delete it, disconnect it first; to create or use keys, connect it; a FAILED key store must be disconnected before it is connected.",
  CustomKeyStoreNameInUseException: "Choose another name: friendly names are unique in an account and Region.",
  CustomKeyStoreNotFoundException: "Check the key store's ID, the account and the Region.",
  CustomKeyStoreHasCMKsException: "Schedule the deletion of every key in the key store and wait until they are deleted.",
  CloudHsmClusterNotFoundException: "Check the cluster ID, and that the cluster is in the same account and Region.",
  CloudHsmClusterNotActiveException: "Initialize and activate the cluster; a cluster from a backup becomes active with its first HSM.",
  CloudHsmClusterNotRelatedException:
    "Choose a cluster that has the same cluster certificate: one that was made from a backup of the original cluster. An unrelated cluster needs a new key store.",
  CloudHsmClusterInUseException: "Choose a cluster that backs no key store and shares no backup history with one that does.",
  CloudHsmClusterInvalidConfigurationException:
    "Give the cluster at least two active HSMs in different Availability Zones, and the subnets and security group rules it was made with.",
  IncorrectTrustAnchorException: "Upload the customerCA.crt with which the cluster was initialized.",
  CloudHsmResourceNotFoundException: "Check the ID, the account and the Region. What was deleted is listed no more.",
  CloudHsmAccessDeniedException: "Ask the owner to permit it, or choose another account.",
  CloudHsmTagException: "A tag's name has 1 to 128 characters, its value at most 256, and aws: is reserved.",
  InvalidCiphertextException: "Take the whole ciphertext, the key that made it, and exactly the encryption context it was made with.",
  IncorrectKeyException: "Decrypt with the key that encrypted it.",
  DisabledException: "Enable the key: Key actions, Enable.",
  KeyUnavailableException: "Wait a moment, then try again.",
  InvalidKeyUsageException: "Use a key whose usage permits it: the Key usage of a key cannot be changed.",
  AlreadyExistsException: "Choose another name, or delete the alias where it is.",
  InvalidAliasNameException: "Use letters, digits and /_- after alias/; alias/aws/ is reserved for AWS managed keys.",
  TagException: "A tag's key has 1 to 128 characters, its value at most 256, and aws: is reserved.",
  MalformedPolicyDocumentException: "Correct what the message names: actions, principals and conditions must be ones that exist.",
  NotFoundException: "Check the key's ID or alias, the account and the Region.",
  UnsupportedOperationException: "Use another key, or leave out what the message names: not every key can everything.",
  AccessDeniedException: "Have the key policy, a grant or a policy of the caller permit it, or choose another account.",
  ThrottlingException: "Call less often, or add HSMs to the cluster.",
  DependencyTimeoutException: "Try again; if it stays so, look whether a fault was injected.",
  KMSInternalException: "Try again; if it stays so, look whether a fault was injected.",
  LimitExceededException: "Delete what is not needed any more, then try again.",
  KMSInvalidStateException: "The key cannot be used at present. If it is in a custom key store, connect the key store and look at its cluster.",
  InvalidSignatureException: "This Portcullis verifies signatures and does not know the access key. Choose another account.",
};

export function fixOf(name: string): string | null {
  return FIXES[name] ?? null;
}
