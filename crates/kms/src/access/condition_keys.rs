//! The condition keys that AWS documents for KMS, for CloudHSM and for every service, and whether a
//! request has them here.
//!
//! One table: the documentation repeats it, and policies that are put are compared with it, so that no
//! condition stays without effect in silence.
//!
//! Source: AWS KMS Developer Guide, "AWS KMS condition keys"; IAM User Guide, "AWS global condition
//! context keys"; Service Authorization Reference, AWS KMS and AWS CloudHSM.

use portcullis_policy::{Document, Effect, Kind, UsedCondition};

/// Whether requests have a condition key here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConditionKeyStanding {
    /// Where they have it on AWS.
    Here,
    /// Never, as on AWS where there is nothing of the kind.
    Absent,
    /// Never, although on AWS they may have it.
    Missing,
}

/// Condition keys of one kind.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) standing: ConditionKeyStanding,
    /// What they are of, or why no request has them.
    pub(crate) about: &'static str,
    /// A name that ends in `/` or `:` is followed by a part that the request chooses, and one that ends
    /// in `#` by a number.
    pub(crate) keys: &'static [&'static str],
}

const fn group(
    standing: ConditionKeyStanding,
    about: &'static str,
    keys: &'static [&'static str],
) -> Group {
    Group {
        standing,
        about,
        keys,
    }
}

/// Every one. Rule AUTH-39: the documentation has the same.
pub(crate) const GROUPS: &[Group] = &[
    group(
        ConditionKeyStanding::Here,
        "who calls",
        &[
            "kms:CallerAccount",
            "kms:ViaService",
            "aws:PrincipalArn",
            "aws:PrincipalAccount",
            "aws:PrincipalType",
            "aws:PrincipalTag/",
            "aws:PrincipalIsAWSService",
            "aws:PrincipalServiceName",
            "aws:PrincipalServiceNamesList",
            "aws:username",
            "aws:userid",
            "aws:MultiFactorAuthPresent",
            "aws:SourceArn",
            "aws:SourceAccount",
            "aws:ViaAWSService",
            "aws:CalledVia",
            "aws:CalledViaFirst",
            "aws:CalledViaLast",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "every request",
        &[
            "aws:SourceIp",
            "aws:SecureTransport",
            "aws:UserAgent",
            "aws:referer",
            "aws:CurrentTime",
            "aws:EpochTime",
            "aws:RequestedRegion",
            "aws:ResourceAccount",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "the key, or the one that is to be made",
        &[
            "kms:KeySpec",
            "kms:KeyUsage",
            "kms:KeyOrigin",
            "kms:MultiRegion",
            "kms:MultiRegionKeyType",
            "kms:CustomerMasterKeySpec",
            "kms:CustomerMasterKeyUsage",
            "kms:ResourceAliases",
            "kms:RequestAlias",
            "aws:ResourceTag/",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "cryptographic operations",
        &[
            "kms:EncryptionContext:",
            "kms:EncryptionContextKeys",
            "kms:EncryptionAlgorithm",
            "kms:SigningAlgorithm",
            "kms:MacAlgorithm",
            "kms:KeyAgreementAlgorithm",
            "kms:MessageType",
            "kms:DataKeyPairSpec",
            "kms:ReEncryptOnSameKey",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "[enclaves](enclaves.md) that a plaintext is for",
        &[
            "kms:RecipientAttestation:ImageSha384",
            "kms:RecipientAttestation:PCR#",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "grants; those of an encryption context are of its constraints too",
        &[
            "kms:GrantOperations",
            "kms:GranteePrincipal",
            "kms:GranteeServicePrincipal",
            "kms:RetiringPrincipal",
            "kms:RetiringServicePrincipal",
            "kms:GrantConstraintType",
            "kms:GrantConstraintSourceArn",
            "kms:GrantIsForAWSResource",
        ],
    ),
    group(
        ConditionKeyStanding::Here,
        "other requests",
        &[
            "kms:ScheduleKeyDeletionPendingWindowInDays",
            "kms:TrailingDaysWithoutKeyUsage",
            "kms:BypassPolicyLockoutSafetyCheck",
            "kms:RotationPeriodInDays",
            "kms:ReplicaRegion",
            "kms:PrimaryRegion",
            "kms:WrappingAlgorithm",
            "kms:WrappingKeySpec",
            "kms:ExpirationModel",
            "kms:ValidTo",
            "aws:RequestTag/",
            "aws:TagKeys",
        ],
    ),
    group(
        ConditionKeyStanding::Absent,
        "there are no VPC endpoints",
        &[
            "aws:SourceVpc",
            "aws:SourceVpcArn",
            "aws:SourceVpce",
            "aws:VpceAccount",
            "aws:VpceOrgID",
            "aws:VpceOrgPaths",
            "aws:VpcSourceIp",
        ],
    ),
    group(
        ConditionKeyStanding::Absent,
        "no credentials come from a sign-in, a federation or AssumeRole",
        &[
            "aws:AssumedRoot",
            "aws:FederatedProvider",
            "aws:SourceIdentity",
            "aws:SignInSessionArn",
            "aws:MultiFactorAuthAge",
            "aws:ChatbotSourceArn",
            "identitystore:UserId",
        ],
    ),
    group(
        ConditionKeyStanding::Absent,
        "no instance, function, job or build of AWS has credentials",
        &[
            "aws:Ec2InstanceSourceVpc",
            "aws:Ec2InstanceSourcePrivateIPv4",
            "ec2:RoleDelivery",
            "ec2:SourceInstanceArn",
            "glue:RoleAssumedBy",
            "glue:CredentialIssuingService",
            "codebuild:BuildArn",
            "codebuild:ProjectArn",
            "lambda:SourceFunctionArn",
            "ssm:SourceInstanceArn",
        ],
    ),
    group(
        ConditionKeyStanding::Absent,
        "there are no MCP servers of AWS",
        &[
            "aws:CalledViaAWSMCP",
            "aws:ViaAWSMCPService",
            "aws:IsMcpServiceAction",
        ],
    ),
    group(
        ConditionKeyStanding::Missing,
        "accounts are of no organization",
        &[
            "aws:PrincipalOrgID",
            "aws:PrincipalOrgPaths",
            "aws:ResourceOrgID",
            "aws:ResourceOrgPaths",
            "aws:SourceOrgID",
            "aws:SourceOrgPaths",
        ],
    ),
    group(
        ConditionKeyStanding::Missing,
        "a world does not say when its sessions began",
        &["aws:TokenIssueTime"],
    ),
    group(
        ConditionKeyStanding::Missing,
        "attestation documents of NitroTPM are not read",
        &["kms:RecipientAttestation:NitroTPMPCR#"],
    ),
];

/// Services whose condition keys are all in the table.
const SERVICES: [&str; 3] = ["aws", "kms", "cloudhsm"];

/// Condition keys that a key policy must not have: of one key they say nothing.
///
/// Rule AUTH-43: KMS refuses a key policy that has them. Source: AWS KMS condition keys (policy type),
/// and a message of KMS that users report.
const NOT_IN_KEY_POLICIES: [&str; 2] = ["aws:ResourceTag/", "kms:ResourceAliases"];

/// Keys of one value in conditions that ask for all values hold also where the key is absent.
const OF_ONE_VALUE: [(&str, &str); 2] = [
    ("kms:EncryptionContext:", "encryption context"),
    ("aws:RequestTag/", "tag"),
];

/// The group of a key; none when AWS does not document it.
fn group_of(key: &str) -> Option<&'static Group> {
    GROUPS
        .iter()
        .find(|group| group.keys.iter().any(|known| is_named(known, key)))
}

/// Whether a name of the table is that of `key`. Names of condition keys are not case-sensitive.
fn is_named(known: &str, key: &str) -> bool {
    let open = known.strip_suffix('#').unwrap_or(known);
    let Some((start, rest)) = key.split_at_checked(open.len()) else {
        return false;
    };
    let fits = match known.chars().last() {
        Some('#') => !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()),
        Some('/' | ':') => !rest.is_empty(),
        Some(_) | None => rest.is_empty(),
    };
    fits && start.eq_ignore_ascii_case(open)
}

/// Why no request here has a key that a policy names; none where all is as on AWS.
fn why_without(key: &str) -> Option<String> {
    match group_of(key) {
        Some(group) if group.standing == ConditionKeyStanding::Missing => {
            Some(format!("which no request has here: {}", group.about))
        }
        Some(_) => None,
        None => {
            let service = key.split_once(':').map(|(service, _name)| service);
            let is_ours = service.is_none_or(|service| {
                SERVICES
                    .iter()
                    .any(|ours| ours.eq_ignore_ascii_case(service))
            });
            // One of another service no request of KMS or CloudHSM has on AWS either.
            is_ours.then(|| "which is none that AWS documents".to_owned())
        }
    }
}

/// What a document says that has another effect here than on AWS, in a sentence each.
///
/// Rule AUTH-40: a condition on a key that AWS documents and no request has here, or that is not
/// documented at all, is accepted, as AWS does it, and told: in the log, in the event of the call, and
/// of a world's policies when it starts.
#[must_use]
pub fn policy_findings(document: &Document) -> Vec<String> {
    let concerned = document
        .conditions()
        .filter(|it| it.may_concern("kms") || it.may_concern("cloudhsm"));
    concerned.filter_map(|it| finding(&it)).collect()
}

/// The findings of a key policy that a request would put; none of a text that is no policy.
#[must_use]
pub fn policy_findings_of(policy: &str) -> Vec<String> {
    let document = Document::parse(policy, Kind::Resource);
    document.map_or_else(
        |_malformed| Vec::new(),
        |document| policy_findings(&document),
    )
}

fn finding(used: &UsedCondition<'_>) -> Option<String> {
    let why = why_without(used.key())?;
    let statement = match used.sid() {
        Some(sid) => format!("the statement {sid:?}"),
        None => "a statement without Sid".to_owned(),
    };
    let (effect, consequence) = match (used.effect(), used.holds_without()) {
        (Effect::Deny, false) => ("Deny", "so this statement denies nothing"),
        (Effect::Deny, true) => (
            "Deny",
            "so the condition always holds, and it may deny more",
        ),
        (Effect::Allow, false) => ("Allow", "so this statement allows nothing"),
        (Effect::Allow, true) => (
            "Allow",
            "so the condition always holds, and it may allow more",
        ),
    };
    Some(format!(
        "{statement} ({effect}) has a condition, {}, on {}, {why}; {consequence}",
        used.operator(),
        used.key(),
    ))
}

/// Why KMS refuses the conditions of a new key policy.
///
/// Rule AUTH-43: it names keys that a key policy must not have; Rule AUTH-44: or it asks all values of
/// a key that has one, which holds where that is absent.
pub(super) fn refused_in_key_policy(document: &Document) -> Option<String> {
    let conditions = || document.conditions();
    let mut forbidden: Vec<&str> = conditions()
        .map(|used| used.key())
        .filter(|key| NOT_IN_KEY_POLICIES.iter().any(|known| is_named(known, key)))
        .collect();
    forbidden.sort_unstable();
    forbidden.dedup();
    if !forbidden.is_empty() {
        let keys = forbidden.join(", ");
        return Some(format!(
            "These condition keys are not permitted in a key policy: {keys}"
        ));
    }
    let wide = conditions().filter(UsedCondition::is_for_all_values);
    let mut wide = wide.flat_map(|used| {
        let known = OF_ONE_VALUE.iter();
        known.filter(move |(known, _)| is_named(known, used.key()))
    });
    wide.next().map(|(_, what)| {
        format!(
            "OverlyPermissiveCondition: Using the ForAllValues set operator with a single-valued \
             condition key matches requests without the specified {what} or with an unspecified {what}. \
             To fix, remove ForAllValues."
        )
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The table as docs/auth.md has it.
    fn tables() -> String {
        let name = |key: &&str| match key.chars().last() {
            Some('/' | ':') => format!("`{key}<name>`"),
            Some('#') => format!("`{}<N>`", key.trim_end_matches('#')),
            Some(_) | None => format!("`{key}`"),
        };
        let heads = [
            (ConditionKeyStanding::Here, "| condition keys | of |"),
            (
                ConditionKeyStanding::Absent,
                "| never in a request, as on AWS without the like | because |",
            ),
            (
                ConditionKeyStanding::Missing,
                "| on AWS perhaps in a request, here never | because |",
            ),
        ];
        let mut text = String::new();
        for (standing, head) in heads {
            text.push_str(&format!("{head}\n| --- | --- |\n"));
            for group in GROUPS.iter().filter(|group| group.standing == standing) {
                let keys: Vec<String> = group.keys.iter().map(name).collect();
                text.push_str(&format!("| {} | {} |\n", keys.join(", "), group.about));
            }
            text.push('\n');
        }
        text
    }

    /// Rule AUTH-39
    #[test]
    fn the_documentation_has_the_table_of_condition_keys() {
        let page = include_str!("../../../../docs/auth.md");
        assert!(
            page.contains(&tables()),
            "docs/auth.md must have\n{}",
            tables()
        );
        let mut all: Vec<String> = GROUPS
            .iter()
            .flat_map(|group| group.keys)
            .map(|key| key.to_ascii_lowercase())
            .collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(
            all.len(),
            count,
            "a condition key stands in the table twice"
        );
    }

    fn document(effect: &str, operator: &str, key: &str) -> Document {
        let text = json!({"Version": "2012-10-17", "Statement": {
            "Sid": "S", "Effect": effect, "Principal": "*", "Action": "kms:*", "Resource": "*",
            "Condition": {operator: {key: "true"}},
        }});
        Document::parse_new(&text.to_string(), Kind::Resource).unwrap()
    }

    /// Effect, operator, key, and a part of what is told; nothing where there is nothing to tell.
    const FINDINGS: &str = "
Deny | StringEquals | aws:PrincipalOrgID | denies nothing
Deny | StringNotEquals | AWS:principalorgid | may deny more
Deny | StringEqualsIfExists | aws:PrincipalOrgID | may deny more
Allow | StringEquals | aws:PrincipalOrgID | allows nothing
Allow | ForAllValues:StringEquals | aws:PrincipalOrgPaths | may allow more
Deny | Bool | kms:ReEncryptOnSameKy | none that AWS documents
Deny | Bool | aws:Nonsense | none that AWS documents
Deny | Bool | nonsense | none that AWS documents
Deny | StringLike | kms:RecipientAttestation:NitroTPMPCR4 | NitroTPM
Deny | StringLike | kms:EncryptionContext: | none that AWS documents
Deny | StringLike | kms:RecipientAttestation:PCRx | none that AWS documents
Deny | StringEquals | cloudhsm:ClusterId | none that AWS documents
Deny | Bool | kms:ReEncryptOnSameKey |
Deny | StringLike | kms:RecipientAttestation:PCR31 |
Deny | StringLike | KMS:encryptioncontext:App |
Deny | StringEquals | aws:SourceVpce |
Deny | StringEquals | s3:prefix |
";

    /// Rule AUTH-40
    #[test]
    fn a_condition_without_effect_is_told() {
        for row in FINDINGS.lines().filter(|row| !row.is_empty()) {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let found = policy_findings(&document(cells[0], cells[1], cells[2]));
            match (cells[3], found.first()) {
                ("", found) => assert_eq!(found, None, "{row}"),
                (part, Some(found)) => assert!(found.contains(part), "{row}: {found}"),
                (_, None) => panic!("nothing is told: {row}"),
            }
        }
        // What concerns neither KMS nor CloudHSM is none of their business.
        let other = json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Deny", "Action": "s3:*", "Resource": "*",
            "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-1"}},
        }});
        let other = Document::parse_new(&other.to_string(), Kind::Identity).unwrap();
        assert_eq!(policy_findings(&other), Vec::<String>::new());
    }

    /// Rules AUTH-43 and AUTH-44
    #[test]
    fn kms_refuses_conditions_of_a_key_policy_that_say_nothing_or_too_little() {
        for (operator, key, expected) in [
            (
                "StringEquals",
                "aws:ResourceTag/Stage",
                Some("not permitted in a key policy"),
            ),
            (
                "StringEquals",
                "kms:ResourceAliases",
                Some("not permitted in a key policy"),
            ),
            (
                "ForAllValues:StringEquals",
                "kms:EncryptionContext:App",
                Some("OverlyPermissive"),
            ),
            (
                "forallvalues:StringLike",
                "aws:RequestTag/Stage",
                Some("remove ForAllValues"),
            ),
            (
                "ForAllValues:StringEquals",
                "kms:EncryptionContextKeys",
                None,
            ),
            (
                "ForAnyValue:StringEquals",
                "kms:EncryptionContext:App",
                None,
            ),
            ("StringEquals", "aws:RequestTag/Stage", None),
        ] {
            let refused = refused_in_key_policy(&document("Allow", operator, key));
            match expected {
                None => assert_eq!(refused, None, "{operator} {key}"),
                Some(part) => assert!(refused.unwrap().contains(part), "{operator} {key}"),
            }
        }
    }
}
