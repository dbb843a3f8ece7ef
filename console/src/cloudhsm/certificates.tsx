/** The certificates of a cluster, and the wizard that initialises it. */
import { useState } from "react";

import { InitializeClusterCommand } from "@aws-sdk/client-cloudhsm-v2";
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Wizard from "@cloudscape-design/components/wizard";

import type { Cluster } from "../aws/cloudhsm.ts";
import { CertificateField, certificateProblem } from "../parts/certificate-field.tsx";
import { Copied, Nothing } from "../parts/common.tsx";
import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { replaceQuery } from "../router.ts";
import { useSession } from "../session.tsx";

export function Certificates({ cluster, reload }: { cluster: Cluster; reload: () => void }) {
  const certificates = Object.entries<string | undefined>({ ...cluster.Certificates }).filter(([, text]) => text !== undefined);
  if (cluster.State === "UNINITIALIZED") return <Initialize cluster={cluster} reload={reload} />;
  return (
    <Container header={<Header variant="h2" description="Clusters with the same cluster certificate share a backup history">Certificates</Header>}>
      {cluster.State === "INITIALIZED" && (
        <Alert type="info" header="The cluster is initialized, not yet active" action={<Button onClick={() => replaceQuery({ tab: "users" })}>Activate it</Button>}>
          Activate it by setting the password of its first admin.
        </Alert>
      )}
      {certificates.map(([name, text]) => (
        <ExpandableSection key={name} headerText={name} defaultExpanded={name === "ClusterCertificate"}>
          <SpaceBetween size="xs">
            <Button onClick={() => download(`${cluster.ClusterId ?? "cluster"}_${name}.pem`, text ?? "")}>Download</Button>
            <pre className="text">{text}</pre>
          </SpaceBetween>
        </ExpandableSection>
      ))}
      {certificates.length === 0 && <Nothing title="No certificates" text="They come with the first HSM." />}
    </Container>
  );
}

/** Saves a text as a file; nothing is sent anywhere. */
function download(name: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-pem-file" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

const COMMANDS = (id: string) => `openssl genrsa -out customerCA.key 4096
openssl req -new -x509 -days 3652 -key customerCA.key -out customerCA.crt -subj /CN=customerCA
openssl x509 -req -days 3652 -in ${id}_ClusterCsr.csr -CA customerCA.crt -CAkey customerCA.key \\
  -CAcreateserial -out ${id}_CustomerHsmCertificate.crt`;

function Initialize({ cluster, reload }: { cluster: Cluster; reload: () => void }) {
  const { cloudhsm } = useSession();
  const say = useSay();
  const id = cluster.ClusterId ?? "";
  const csr = cluster.Certificates?.ClusterCsr;
  const [step, setStep] = useState(0);
  const [signed, setSigned] = useState("");
  const [anchor, setAnchor] = useState("");
  const [isBusy, setIsBusy] = useState(false);
  const [isAsked, setIsAsked] = useState(false);
  const [error, setError] = useState<unknown>(null);
  if (csr === undefined) {
    return (
      <Alert type="info" header="The cluster has no certificate signing request yet" action={<Button onClick={() => replaceQuery({ tab: "hsms" })}>Open the HSMs</Button>}>
        Create its first HSM (tab HSMs): the request comes with it.
      </Alert>
    );
  }
  const problem = (text: string) => (isAsked ? certificateProblem(text) : null);
  const submit = () => {
    setIsAsked(true);
    if (certificateProblem(signed) !== null || certificateProblem(anchor) !== null) return;
    setIsBusy(true);
    setError(null);
    cloudhsm.send(new InitializeClusterCommand({ ClusterId: id, SignedCert: signed, TrustAnchor: anchor })).then(
      () => say({ type: "success", header: `${id} is being initialized`, content: "Then activate it: tab Users." }),
      setError,
    ).finally(() => {
      setIsBusy(false);
      reload();
    });
  };
  return (
    <Wizard
      activeStepIndex={step}
      onNavigate={({ detail }) => setStep(detail.requestedStepIndex)}
      onSubmit={submit}
      onCancel={() => { setStep(0); setSigned(""); setAnchor(""); }}
      isLoadingNextStep={isBusy}
      submitButtonText="Initialize cluster"
      steps={[
        {
          title: "Download the request",
          description: "The certificate signing request of the cluster's first HSM",
          content: (
            <Container>
              <SpaceBetween size="s">
                <Button iconName="download" onClick={() => download(`${id}_ClusterCsr.csr`, csr)}>Download CSR</Button>
                <pre className="text">{csr}</pre>
              </SpaceBetween>
            </Container>
          ),
        },
        {
          title: "Sign it",
          description: "With a self-signed issuing certificate of your own; for example:",
          content: (
            <Container>
              <SpaceBetween size="s">
                <Copied text={COMMANDS(id)} as="Copy commands" />
                <pre className="text">{COMMANDS(id)}</pre>
              </SpaceBetween>
            </Container>
          ),
        },
        {
          title: "Upload the certificates",
          content: (
            <SpaceBetween size="m">
              <Failure error={error} what="The cluster was not initialized" />
              <Container>
                <SpaceBetween size="l">
                  <CertificateField
                    label="Cluster certificate"
                    description={`${id}_CustomerHsmCertificate.crt, the request signed by you`}
                    upload="Upload cluster certificate"
                    text={signed}
                    problem={problem(signed)}
                    onText={setSigned}
                  />
                  <CertificateField
                    label="Issuing certificate"
                    description="customerCA.crt, your trust anchor; a key store over this cluster needs it again"
                    upload="Upload issuing certificate"
                    text={anchor}
                    problem={problem(anchor)}
                    onText={setAnchor}
                  />
                </SpaceBetween>
              </Container>
            </SpaceBetween>
          ),
        },
      ]}
    />
  );
}
