/** What went wrong, why, and what to do: the same everywhere. */
import Alert from "@cloudscape-design/components/alert";
import Button from "@cloudscape-design/components/button";
import Link from "@cloudscape-design/components/link";

import { explain } from "../aws/errors.ts";
import { follow, href } from "../router.ts";

export function Failure({ error, what, onRetry }: { error: unknown; what: string; onRetry?: () => void }) {
  if (error === null || error === undefined) return null;
  const { name, message, fix } = explain(error);
  return (
    <Alert
      type="error"
      header={what}
      action={onRetry && <Button onClick={onRetry}>Try again</Button>}
    >
      <FailureText name={name} message={message} fix={fix} />
    </Alert>
  );
}

export function FailureText({ name, message, fix }: { name: string; message: string; fix: string | null }) {
  return (
    <div data-testid="failure">
      <div>
        {message} {name !== "" && <code>({name})</code>}
      </div>
      {fix !== null && (
        <div>
          <strong>How to fix it:</strong> {fix}
        </div>
      )}
      {fix !== null && (
        <Link href={href("kms/troubleshooting")} onFollow={follow}>
          Troubleshooting a custom key store
        </Link>
      )}
    </div>
  );
}
