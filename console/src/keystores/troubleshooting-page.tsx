import Container from "@cloudscape-design/components/container";
import ExpandableSection from "@cloudscape-design/components/expandable-section";
import Header from "@cloudscape-design/components/header";
import SpaceBetween from "@cloudscape-design/components/space-between";
import Table from "@cloudscape-design/components/table";

import { CAUSES, FIXES } from "./troubleshooting.ts";

export function Troubleshooting() {
  return (
    <SpaceBetween size="l">
      <Header variant="h1" description="After the page of the same name in the AWS KMS Developer Guide">
        Troubleshooting a custom key store
      </Header>
      <Container header={<Header variant="h2">A connect failed: the codes and their repairs</Header>}>
        {Object.entries(CAUSES).map(([code, { cause, steps }]) => (
          <ExpandableSection key={code} headerText={code} headerDescription={cause}>
            <ol>
              {steps.map((step) => <li key={step.text}>{step.text}</li>)}
            </ol>
          </ExpandableSection>
        ))}
      </Container>
      <Table
        header={<Header variant="h2">A call was refused: the exceptions and what helps</Header>}
        ariaLabels={{ tableLabel: "Exceptions and what helps" }}
        items={Object.entries(FIXES)}
        wrapLines
        columnDefinitions={[
          { id: "name", header: "Exception", isRowHeader: true, cell: ([name]) => name },
          { id: "fix", header: "What helps", cell: ([, fix]) => fix },
        ]}
      />
    </SpaceBetween>
  );
}
