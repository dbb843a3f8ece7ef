import { useCallback, useState } from "react";

import { GetKeyPolicyCommand, PutKeyPolicyCommand } from "@aws-sdk/client-kms";
import Box from "@cloudscape-design/components/box";
import Button from "@cloudscape-design/components/button";
import FormField from "@cloudscape-design/components/form-field";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Spinner from "@cloudscape-design/components/spinner";
import Textarea from "@cloudscape-design/components/textarea";

import { Failure } from "../parts/failure.tsx";
import { useSay } from "../parts/flash.tsx";
import { useLoad } from "../parts/load.ts";
import { useSession } from "../session.tsx";
import { policyProblems, tidy } from "./policy.ts";

export function KeyPolicy({ id }: { id: string }) {
  const { kms } = useSession();
  const found = useLoad(
    useCallback(async () => (await kms.send(new GetKeyPolicyCommand({ KeyId: id, PolicyName: "default" }))).Policy ?? "", [kms, id]),
  );
  if (found.error !== null) return <Failure error={found.error} what="The key policy cannot be shown" onRetry={found.reload} />;
  if (found.data === null) return <Box padding="l"><Spinner /> Loading the policy</Box>;
  return <Editor key={found.data} id={id} policy={tidy(found.data)} reload={found.reload} />;
}

function Editor({ id, policy, reload }: { id: string; policy: string; reload: () => void }) {
  const { kms } = useSession();
  const say = useSay();
  const [text, setText] = useState(policy);
  const [isBusy, setIsBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const problems = policyProblems(text);
  const save = () => {
    setIsBusy(true);
    setError(null);
    kms.send(new PutKeyPolicyCommand({ KeyId: id, PolicyName: "default", Policy: text })).then(
      () => {
        say({ type: "success", header: "The key policy was changed" });
        reload();
      },
      setError,
    ).finally(() => setIsBusy(false));
  };
  return (
    <form onSubmit={(event) => { event.preventDefault(); save(); }}>
      <SpaceBetween size="m">
        <Header
          variant="h2"
          description="Who may use and manage the key"
          actions={
            <SpaceBetween direction="horizontal" size="xs">
              <Button formAction="none" disabled={text === policy} disabledReason="Nothing was changed." onClick={() => setText(policy)}>Reset</Button>
              <Button formAction="none" disabled={problems.length > 0} disabledReason="Correct the policy first." onClick={() => setText(tidy(text))}>Format</Button>
              <Button variant="primary" loading={isBusy} disabled={problems.length > 0 || text === policy} disabledReason={problems.length > 0 ? "Correct the policy first." : "Nothing was changed."}>Save policy</Button>
            </SpaceBetween>
          }
        >
          Key policy
        </Header>
        <Failure error={error} what="The key policy was not changed" />
        <FormField stretch label="Policy" errorText={problems.length === 0 ? "" : problems.map((why) => <div key={why}>{why}</div>)}>
          <div className="code">
            <Textarea value={text} rows={18} spellcheck={false} onChange={({ detail }) => setText(detail.value)} />
          </div>
        </FormField>
      </SpaceBetween>
    </form>
  );
}
