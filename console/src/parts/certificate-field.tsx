/** A certificate: its file, or its text. */
import { useState } from "react";

import FileUpload from "@cloudscape-design/components/file-upload";
import FormField from "@cloudscape-design/components/form-field";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Textarea from "@cloudscape-design/components/textarea";

export function CertificateField(props: {
  label: string;
  description: string;
  /** What the button says. */
  upload: string;
  text: string;
  problem: string | null;
  onText: (text: string) => void;
}) {
  const [files, setFiles] = useState<File[]>([]);
  return (
    <FormField label={props.label} description={props.description} errorText={props.problem}>
      <SpaceBetween size="xs">
        <FileUpload
          value={files}
          accept=".crt,.pem,.cer"
          onChange={({ detail }) => {
            setFiles(detail.value);
            // A file that is taken back takes its text along.
            const [file] = detail.value;
            if (file === undefined) props.onText("");
            else void file.text().then(props.onText);
          }}
          i18nStrings={{
            uploadButtonText: () => props.upload,
            dropzoneText: () => "Drop the certificate here",
            removeFileAriaLabel: (index) => `Remove file ${index + 1}`,
            limitShowFewer: "Show fewer",
            limitShowMore: "Show more",
            errorIconAriaLabel: "Error",
          }}
        />
        <Textarea
          ariaLabel={`${props.label} text`}
          value={props.text}
          rows={5}
          spellcheck={false}
          placeholder="-----BEGIN CERTIFICATE-----"
          onChange={({ detail }) => props.onText(detail.value)}
        />
      </SpaceBetween>
    </FormField>
  );
}

/** What is wrong with the text of a certificate before it is sent, or null. */
export function certificateProblem(text: string): string | null {
  if (text.trim() === "") return "Upload the certificate or paste its text.";
  return text.includes("-----BEGIN CERTIFICATE-----") ? null : "This is no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----.";
}
